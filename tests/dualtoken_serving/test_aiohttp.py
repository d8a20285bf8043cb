"""What the machinery takes of aiohttp beyond its public names: one test fails if a release of it takes them away."""

import tomllib
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.test_utils import TestClient, TestServer

from dualtoken_serving.connection import JsonRunner

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SERIES = "3.14"
KEY = web.RequestKey("KEY", str)


@pytest.mark.parametrize("extra", ["auth", "resource"])
def test_no_untried_series_of_aiohttp_is_installed_with_a_service(extra: str) -> None:
    """A new series is tried by these tests before anybody gets it. The client library needs no such bound."""
    assert "aiohttp<3.15,>=3.14" in PROJECT["optional-dependencies"][extra]
    assert "aiohttp>=3.14" in PROJECT["dependencies"]
    assert aiohttp.__version__.startswith(f"{SERIES}."), f"tried with {SERIES}, not with {aiohttp.__version__}"


async def test_private_names_of_aiohttp_mean_what_they_did() -> None:
    """The queue of a connection, and a request's headers, state and match: what is read past slow public properties."""
    found: dict[str, object] = {}
    release = f"aiohttp {aiohttp.__version__} has changed it"

    async def look(request: web.Request) -> web.Response:
        request[KEY] = "value"
        found.update(headers=request._headers, state=request._state, match=request._match_info)
        assert request.headers is request._headers, release
        assert request._state[KEY] == "value", release
        assert request.match_info is request._match_info, release
        return web.Response()

    class Runner(TestServer):
        async def _make_runner(self, **_kwargs: object) -> JsonRunner:
            return JsonRunner(self.app, service="some_service")

    app = web.Application()
    app.router.add_get("/", look)
    async with TestClient(Runner(app)) as client, client.get("/") as answer:
        assert 200 == answer.status, release
        [connection] = client.server.runner.server.connections  # type: ignore[union-attr]
        connection.data_received(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        message, payload = connection._messages[-1]
        connection.data_received(b"\x00\r\n\r\n")
        broken, _ = connection._messages[-1]

    assert {"headers", "state", "match"} == found.keys()
    assert isinstance(message, RawRequestMessage), release
    assert payload.is_eof(), release
    assert not isinstance(broken, RawRequestMessage), release
    assert isinstance(broken.exc, aiohttp.http_exceptions.HttpProcessingError), release
