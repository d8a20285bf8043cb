"""What ``dualtoken get`` sends."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from dualtoken.client.commands.exit_codes import Exit
from dualtoken.client.commands.fetch import Fetch
from tests.client.commands.running import fill

JSON, FORM = "application/json", "application/x-www-form-urlencoded"


class OneToken:
    """Has a token, and never another."""

    async def token(self, *, rejected: str | None = None) -> str:
        """Return it."""
        assert rejected is None
        return "t"


@pytest.fixture
async def mirror() -> AsyncIterator[str]:
    """Run a service that answers with what it was sent; yield its address."""

    async def answer(request: web.Request) -> web.Response:
        names = ("Authorization", "Content-Type", "Accept")
        sent = {"method": request.method, "body": await request.text()}
        return web.json_response(sent | {name: request.headers.get(name) for name in names})

    app = web.Application()
    app.router.add_route("*", "/", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"data": '{"a": 1}'}, ("POST", JSON, "*/*", '{"a": 1}')),
        ({"data": " [1, 2] "}, ("POST", JSON, "*/*", " [1, 2] ")),
        ({"data": "@FILE.json"}, ("POST", JSON, "*/*", '{"from": "file"}')),
        ({"data": "@FILE.txt"}, ("POST", FORM, "*/*", '{"from": "file"}')),
        ({"data": "a=1&b=2"}, ("POST", FORM, "*/*", "a=1&b=2")),
        ({"data": "7"}, ("POST", FORM, "*/*", "7")),
        ({"data": "{a}"}, ("POST", FORM, "*/*", "{a}")),
        ({"data": "[" * 60_000}, ("POST", FORM, "*/*", "[" * 60_000)),
        ({"data": ""}, ("POST", FORM, "*/*", "")),
        ({"data": '{"a": 1}', "headers": ["content-type: text/plain"]}, ("POST", "text/plain", "*/*", '{"a": 1}')),
        ({"json": '{"a": 1}'}, ("POST", JSON, JSON, '{"a": 1}')),
        ({"json": "@FILE.txt", "method": "PUT"}, ("PUT", JSON, JSON, '{"from": "file"}')),
        ({"json": "1", "headers": ["Accept: text/csv"]}, ("POST", JSON, "text/csv", "1")),
    ],
)
async def test_the_type_of_a_body_needs_no_header(
    mirror: str, tmp_path: Path, given: dict[str, Any], expected: tuple[str, str, str, str]
) -> None:
    """A JSON object or list is sent as one; --json asks for JSON besides, as curl's does; -H overrides both."""
    for suffix in ("json", "txt"):
        fill(tmp_path / f"body.{suffix}", b'{"from": "file"}')
    words = {
        name: word.replace("FILE", str(tmp_path / "body")) if isinstance(word, str) else word
        for name, word in given.items()
    }
    output = tmp_path / "answer"
    options: dict[str, Any] = {"method": None, "data": None, "json": None, "headers": [], "cacert": None}
    fetch = Fetch(mirror, include=False, output=output, timeout_s=60.0, allow_insecure=False, **options | words)

    assert Exit.OK == await fetch.run(OneToken())
    sent = json.loads(output.read_bytes())
    assert "Bearer t" == sent["Authorization"]
    assert expected == (sent["method"], sent["Content-Type"], sent["Accept"], sent["body"])
