"""Your server, your client: each block of docs/frameworks.md as it stands, every server with every client."""

import asyncio
import contextlib
import json
import logging
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.documentation.blocks import CHECKOUT, Block, block, blocks
from tests.documentation.shell import run
from tests.documentation.test_clients import typed
from tests.resource_service.asgi.applications import served
from tests.resource_service.services import bearer, serving
from tests.system.processes import PASSWORD, deployment_in, prepare

SERVERS = [
    block("docs/frameworks.md: Server: aiohttp"),
    block("docs/frameworks.md: Server: FastAPI"),
    block("docs/frameworks.md: Server: Starlette"),
    block("docs/frameworks.md: Server: Litestar"),
    block("docs/frameworks.md: Server: any ASGI application"),
]
CLIENTS = [
    block("README.md: The client in five lines"),
    block("docs/client.md: httpx, requests and threads"),
    block("docs/client.md: httpx, requests and threads (2)"),
    block("docs/client.md: httpx, requests and threads (3)"),
]


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """Litestar sets logging up for its process, on a stream that ends with the test."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Keys and a user, once for all."""
    deployment = deployment_in(tmp_path_factory.mktemp("deployment"))
    asyncio.run(prepare(deployment))
    return deployment


@pytest.fixture
async def auth_url(keys: Any) -> AsyncIterator[str]:
    """An auth service of the issuer and for the audience of the page."""
    names = {"AUTH_ISSUER": "https://auth.example", "AUTH_AUDIENCE": "https://api.example"}
    async with keys.auth_service(**names) as service:
        yield str(service.url)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of a module of somebody's own, where a framework may look for types."""
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    return vars(module)


@contextlib.asynccontextmanager
async def running(text: str, names: dict[str, Any]) -> AsyncIterator[str]:
    """Run the application ``app`` of a module, as aiohttp or uvicorn serves it; yield its address."""
    exec(text, names)  # noqa: S102 - the page
    serve = serving if isinstance(names["app"], web.Application) else served
    async with serve(names["app"]) as url:
        yield str(url.origin())


async def status(http: aiohttp.ClientSession, headers: dict[str, str]) -> int:
    """Return how /home answers."""
    async with http.get("/home", headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name.rpartition(": ")[2])
async def test_every_client_calls_it(
    server: Block,
    names: dict[str, Any],
    keys: Any,
    auth_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """aiohttp, httpx with coroutines and threads, requests, and a shell, all with one session of the token file."""
    shutil.copy(keys.folder / "keys" / "access.jwks.json", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    async with running(server.text, names) as api_url, aiohttp.ClientSession(api_url) as http:
        addresses = {"https://auth.example": auth_url, "https://api.example": api_url}
        for client in CLIENTS:
            text = client.text
            for theirs, ours in addresses.items():
                text = text.replace(theirs, ours)
            await typed(text, {"password": PASSWORD})
        told = [eval(line) for line in capsys.readouterr().out.splitlines()]  # noqa: S307 - what Python printed
        shell = block("docs/frameworks.md: Client: the command line")
        answers = await asyncio.to_thread(run, shell, tmp_path, replacing=addresses, stdin=f"{PASSWORD}\n")
        refused = [await status(http, headers) for headers in ({}, bearer("x"))]

    subjects = [answer["sub"] for answer in (*told, json.loads(answers[-1]))]
    assert 1 == len(set(subjects))
    assert len(CLIENTS) + 1 == len(subjects)
    assert [401, 401] == refused


async def test_a_page_of_another_origin_may_call(
    names: dict[str, Any], keys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines for CORS: a preflight is answered without a token, and a page may read a refusal."""
    shutil.copy(keys.folder / "keys" / "access.jwks.json", tmp_path)
    monkeypatch.chdir(tmp_path)
    lines = [block("docs/frameworks.md: Server: FastAPI"), block("docs/frameworks.md: Where the middleware stands")]
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
    async with running("".join(each.text for each in lines), names) as api_url, aiohttp.ClientSession(api_url) as http:
        wanted = asked | {"Access-Control-Request-Headers": "authorization"}
        async with http.options("/home", headers=wanted) as preflight:
            await preflight.read()
        async with http.get("/home", headers={"Origin": "https://app.example"}) as refused:
            await refused.read()

    origins = [answer.headers.get("Access-Control-Allow-Origin") for answer in (preflight, refused)]
    assert [200, 401] == [preflight.status, refused.status]
    assert ["https://app.example"] * 2 == origins
    assert "WWW-Authenticate" in refused.headers["Access-Control-Expose-Headers"]


def test_every_block_is_run() -> None:
    """A block that is added to the page is run by a test that names it."""
    tests = "".join(path.read_text(encoding="utf-8") for path in CHECKOUT.glob("tests/*/test_*.py"))

    assert [] == [each.name for each in blocks("docs/frameworks.md") if f'block("{each.name}")' not in tests]
