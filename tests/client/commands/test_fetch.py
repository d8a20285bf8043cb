"""What ``dualtoken get`` sends."""

import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from dualtoken.client.commands.exit_codes import Exit, code_of, sentence
from dualtoken.client.commands.fetch import Fetch
from tests.client.commands.running import content, fill

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
        names = ("Authorization", "Content-Type", "Accept", "User-Agent", "X-Empty", "Transfer-Encoding")
        sent = {"method": request.method, "body": await request.text()}
        return web.json_response(sent | {name: request.headers.get(name) for name in names})

    app = web.Application()
    app.router.add_route("*", "/", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


def fetch(url: str, **options: Any) -> Fetch:
    """Return a request with these options, and no others."""
    usual = {"method": None, "data": [], "json": [], "headers": [], "cacert": None, "include": False, "output": None}
    return Fetch(url, timeout_s=60.0, allow_insecure=False, **usual | options)


async def fetched(url: str, output: Path, **options: Any) -> Any:
    """Return what the service was sent."""
    assert Exit.OK == await fetch(url, output=output, **options).run(OneToken())
    return content(output)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"data": ['{"a": 1}']}, ("POST", JSON, "*/*", '{"a": 1}')),
        ({"data": [" [1, 2] "]}, ("POST", JSON, "*/*", " [1, 2] ")),
        ({"data": ["@FILE.json"]}, ("POST", JSON, "*/*", '{"from": "file"}')),
        ({"data": ["@FILE.txt"]}, ("POST", FORM, "*/*", '{"from": "file"}')),
        ({"data": ["a=1&b=2"]}, ("POST", FORM, "*/*", "a=1&b=2")),
        ({"data": ["7"]}, ("POST", FORM, "*/*", "7")),
        ({"data": ["{a}"]}, ("POST", FORM, "*/*", "{a}")),
        ({"data": ["[" * 60_000]}, ("POST", FORM, "*/*", "[" * 60_000)),
        ({"data": [""]}, ("POST", FORM, "*/*", "")),
        ({"data": ['{"a": 1}'], "headers": ["content-type: text/plain"]}, ("POST", "text/plain", "*/*", '{"a": 1}')),
        ({"data": ["a=1", "@FILE.txt", "b=2"]}, ("POST", FORM, "*/*", 'a=1&{"from": "file"}&b=2')),
        ({"json": ["[", "@FILE.txt", "]"]}, ("POST", JSON, JSON, '[{"from": "file"}]')),
        ({"json": ['{"a": 1}']}, ("POST", JSON, JSON, '{"a": 1}')),
        ({"json": ["@FILE.txt"], "method": "PUT"}, ("PUT", JSON, JSON, '{"from": "file"}')),
        ({"json": ["1"], "headers": ["Accept: text/csv"]}, ("POST", JSON, "text/csv", "1")),
    ],
)
async def test_the_type_of_a_body_needs_no_header(
    mirror: str, tmp_path: Path, given: dict[str, Any], expected: tuple[str, str, str, str]
) -> None:
    """A JSON object or list is sent as one; --json asks for JSON besides, as curl's does; -H overrides both."""
    for suffix in ("json", "txt"):
        fill(tmp_path / f"body.{suffix}", b'{"from": "file"}')
    words: dict[str, Any] = {
        name: [part.replace("FILE", str(tmp_path / "body")) for part in value] if name in ("data", "json") else value
        for name, value in given.items()
    }
    sent = await fetched(mirror, tmp_path / "answer", **words)

    assert "Bearer t" == sent["Authorization"]
    assert expected == (sent["method"], sent["Content-Type"], sent["Accept"], sent["body"])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["Accept:", "User-Agent:"], {"Accept": None, "User-Agent": None}),
        (["Content-Type:"], {"Content-Type": None}),
        (["Authorization:"], {"Authorization": None}),
        (["x-empty;", "Accept;"], {"X-Empty": "", "Accept": ""}),
    ],
)
async def test_a_header_without_a_value_is_not_sent(
    mirror: str, tmp_path: Path, lines: list[str], expected: dict[str, str | None]
) -> None:
    """``Name:`` takes off what is sent by default, the token as well; ``Name;`` sends an empty one. As curl's."""
    sent = await fetched(mirror, tmp_path / "answer", data=["a=1"], headers=lines)

    assert expected == {name: sent[name] for name in expected}


async def test_a_body_can_be_sent_in_chunks(mirror: str, tmp_path: Path) -> None:
    """As curl's, by its header."""
    sent = await fetched(mirror, tmp_path / "answer", data=["a=1"], headers=["transfer-encoding: chunked"])

    assert ("chunked", "a=1") == (sent["Transfer-Encoding"], sent["body"])


async def test_a_pipe_is_sent_whole(mirror: str, tmp_path: Path) -> None:
    """It can be read only once, so it is read before it is sent: ``-d @<(command)``."""
    ours, theirs = os.pipe()
    os.write(theirs, b'{"from": "pipe"}')
    os.close(theirs)
    sent = await fetched(mirror, tmp_path / "answer", data=[f"@/dev/fd/{ours}"])
    os.close(ours)

    assert (JSON, '{"from": "pipe"}') == (sent["Content-Type"], sent["body"])


async def test_the_output_of_a_dash_is_standard_output(mirror: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """As curl's."""
    assert Exit.OK == await fetch(mirror, output=Path("-")).run(OneToken())
    sys.stdout.flush()
    assert "GET" == json.loads(capfdbinary.readouterr().out)["method"]


@pytest.mark.parametrize("target", ["/circle", "file:///etc/passwd", "http://["])
async def test_a_redirect_that_leads_nowhere_is_the_services_fault(target: str) -> None:
    """The address that was typed is not blamed."""

    async def redirect(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": target})

    app = web.Application()
    app.router.add_get("/circle", redirect)
    async with TestServer(app) as server:
        with pytest.raises(aiohttp.ClientError) as error:
            await fetch(str(server.make_url("/circle"))).run(OneToken())

    assert Exit.FAILED == code_of(error.value)
    assert "the service redirects in a circle, or to what is no address" == sentence(error.value)
