"""The commands and lines of README.md that need no Docker engine, run for real; the Chinese one has the same."""

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.documentation.blocks import CHECKOUT, block
from tests.documentation.shell import run
from tests.resource_service.asgi.applications import served
from tests.resource_service.issuer import Key, write_keys
from tests.resource_service.services import bearer, serving

PASSWORD = "correct horse battery staple"
# Set up already: the suite runs in the environment that `make setup` made.
MADE = f"make --directory={CHECKOUT} --old-file=setup --old-file={sys.prefix}/.main VENV={sys.prefix}"


def test_try_it(tmp_path: Path) -> None:
    """``make demo`` holds its claims: bursts of at least 200 requests cost one refresh each, and the thief is caught.

    ``make test`` is what runs this; here it only lists tests.
    """
    demo, test = (
        f"{MADE} {target}" for target in ("demo 2> errors", "test PYTEST_ARGS='--collect-only tests/contract'")
    )
    replacing = {"make demo": demo, "make test": test}
    shown, listed = run(block("README.md: Try it"), tmp_path, env={"COLUMNS": 100}, replacing=replacing)
    rows = re.findall(r"│ (?:foreseen|a surprise) +│ +(\d+) │ +(\d+) │ +(\d+) │ +(\d+) │", shown)

    assert "" == (tmp_path / "errors").read_text()
    assert len(rows) >= 2  # a slow machine, whose tokens live longer, shows fewer
    assert {("1", True)} == {(refreshes, int(n) >= 200 and n == answered) for n, answered, _, refreshes in rows}
    assert any(int(refused) > 0 for _, _, refused, _ in rows)
    assert "400 invalid_grant reused" in shown
    assert "Every claim held" in shown
    assert "tests collected" in listed


def test_without_compose(tmp_path: Path) -> None:
    """Keys, a user and both services, from an empty folder: the user logs in and is known by name."""
    for name in ("auth", "resource"):
        os.mkfifo(tmp_path / name)
    answers = run(
        block("README.md: Without Compose"),
        tmp_path,
        env={"AUTH_PORT": 0, "RESOURCE_PORT": 0, "DUALTOKEN_TOKEN_FILE": tmp_path / "tokens.json"},
        replacing={
            "auth_service serve &": "auth_service serve > auth &",
            "resource_service serve": "resource_service serve > resource &",
        },
        stdin=f"{PASSWORD}\n",
        after=[
            "read -r _ _ _ DUALTOKEN_AUTH_URL < auth && export DUALTOKEN_AUTH_URL",
            "read -r _ _ _ API < resource",
            "dualtoken login --user zs",
            "dualtoken get $API/home",
            "kill $(jobs -p); wait",
        ],
    )

    assert "zs" == json.loads(answers[-2])["data"]["username"]


async def test_a_fastapi_application_is_guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the page writes it: without a token 401, with one the handler knows who calls."""
    key, now = Key(), int(time.time())
    write_keys(tmp_path / "access.jwks.json", key)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(block("README.md: FastAPI, Starlette, Litestar, any ASGI application").text, names)  # noqa: S102 - the page
    issued = {"iss": "https://auth.example", "aud": "https://api.example", "iat": now, "exp": now + 60}
    async with served(names["app"]) as url, aiohttp.ClientSession(url) as http:
        refused = (await http.get("/home")).status
        known = await (await http.get("/home", headers=bearer(key.token(**issued)))).json()

    assert (401, {"sub": "user-1"}) == (refused, known)


async def test_three_lines_guard_an_application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they say is enough: without a token 401, with one the handler knows who calls."""
    key, now = Key(), int(time.time())
    write_keys(tmp_path / "access.jwks.json", key)
    monkeypatch.chdir(tmp_path)
    app = web.Application()
    names: dict[str, Any] = {"app": app}
    exec(block("README.md: Tokens for your own aiohttp application, in three lines").text, names)  # noqa: S102 - the page

    async def who(request: web.Request) -> web.Response:
        return web.Response(text=request[names["CLAIMS"]].sub)

    app.router.add_get("/", who)
    issued = {"iss": "https://auth.example", "aud": "https://api.example", "iat": now, "exp": now + 60}
    async with serving(app) as url, aiohttp.ClientSession(url) as http:
        refused = (await http.get("/")).status
        known = await (await http.get("/", headers=bearer(key.token(**issued)))).text()

    assert (401, "user-1") == (refused, known)
