"""One table of cases, on real servers: aiohttp and every ASGI framework give the same answers."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aiohttp
import pytest
from yarl import URL

from tests.resource_service.asgi.applications import APPLICATIONS, KEY, served, served_by_aiohttp
from tests.resource_service.issuer import NOW, Key
from tests.resource_service.services import bearer


class Case(NamedTuple):
    """A call."""

    method: str
    path: str
    headers: list[tuple[str, str]]


def _call(token: str | None = None, path: str = "/home", method: str = "GET") -> Case:
    return Case(method, path, list(bearer(token).items()) if token else [])


CASES = {
    "a good token": _call(KEY.token()),
    "the scheme in another case": Case("GET", "/home", [("Authorization", f"bEARER {KEY.token()}")]),
    "blanks behind the token": Case("GET", "/home", [("Authorization", f"Bearer {KEY.token()} \t ")]),
    "no token": _call(),
    "another scheme": Case("GET", "/home", [("Authorization", "Basic enM6cA==")]),
    "an empty token": Case("GET", "/home", [("Authorization", "Bearer ")]),
    "two tokens": Case("GET", "/home", [("Authorization", f"Bearer {KEY.token()}")] * 2),
    "an expired token": _call(KEY.token(exp=NOW - 60)),
    "another audience": _call(KEY.token(aud="https://elsewhere.example")),
    "another issuer": _call(KEY.token(iss="https://elsewhere.example")),
    "a forged token": _call(Key(seed=b"another key of 32 bytes, at least!").token()),
    "an unknown key": _call(Key("k2").token()),
    "a refresh token": _call("dtr1_" + "A" * 56),
    "no token at all": _call("x"),
    "enough scope": _call(KEY.token(), "/notes", "POST"),
    "too little scope": _call(KEY.token(scope="read"), "/notes", "POST"),
    "no token where scope is needed": _call(None, "/notes", "POST"),
    "a public path": _call(None, "/open"),
    "a public path with a bad token": _call("x", "/open"),
    "the metadata": _call(None, "/.well-known/oauth-protected-resource"),
}


@pytest.fixture(params=list(APPLICATIONS))
async def url(request: pytest.FixtureRequest) -> AsyncIterator[URL]:
    """The address of one application."""
    async with served(APPLICATIONS[request.param]()) as url:
        yield url


@pytest.fixture
async def of_aiohttp() -> AsyncIterator[URL]:
    """The address of the same application on aiohttp."""
    async with served_by_aiohttp() as url:
        yield url


async def answer(url: URL, case: Case) -> dict[str, Any]:
    """Return what a caller sees of an answer."""
    async with (
        aiohttp.ClientSession() as http,
        http.request(case.method, url / case.path[1:], headers=case.headers) as got,
    ):
        told = {name: got.headers.get(name) for name in ("WWW-Authenticate", "Cache-Control", "Retry-After")}
        body = await got.read()
        # Frameworks write JSON with blanks or without: of a refusal, each byte counts.
        return {"status": got.status, **told, "body": body if got.status >= 400 else await got.json()}


async def test_every_framework_answers_as_aiohttp_does(url: URL, of_aiohttp: URL) -> None:
    """Each refusal byte for byte, and each good call."""
    expected = {name: await answer(of_aiohttp, case) for name, case in CASES.items()}

    assert expected == {name: await answer(url, case) for name, case in CASES.items()}
    assert {200, 401, 403} == {each["status"] for each in expected.values()}
