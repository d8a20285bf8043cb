import json
import logging
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from tests.resource_service.issuer import Key
from tests.resource_service.services import bearer, raw_answer, resource_service, serving
from tests.unparsable import LONG, nothing_left


async def _error(answer: aiohttp.ClientResponse) -> tuple[int, str, str, str]:
    body = await answer.json()
    assert {"error", "error_description"} == set(body)
    return answer.status, answer.content_type, body["error"], body["error_description"]


async def test_an_unknown_path_is_json(service: aiohttp.ClientSession) -> None:
    """404 has the one shape, with or without a token."""
    async with service.get("/nowhere") as answer:
        assert (404, "application/json", "not_found", "Not Found") == await _error(answer)


async def test_a_wrong_method_is_json(service: aiohttp.ClientSession) -> None:
    """405 names the methods that there are."""
    async with service.delete("/home") as answer:
        assert (405, "application/json", "method_not_allowed", "Method Not Allowed") == await _error(answer)
        assert {"GET", "HEAD"} == set(answer.headers["Allow"].split(","))


@pytest.mark.parametrize("path", ["/home", "/nowhere"])
async def test_an_unknown_expectation_is_json(path: str, service: aiohttp.ClientSession) -> None:
    """Before any middleware runs, aiohttp would answer with text that quotes the header."""
    async with service.get(path, headers={"Expect": "secret-words"}) as answer:
        assert (417, "application/json", "expectation_failed", "Expectation Failed") == await _error(answer)


async def test_an_expectation_that_is_no_utf8_is_the_callers_fault(
    key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Although aiohttp fails to quote it, the answer is 417 all the same, and no trace is logged."""
    async with resource_service(key_file) as session:
        request = b"GET /home HTTP/1.1\r\nHost: x\r\nExpect: \xff\r\n\r\n"
        answer = await raw_answer(URL(str(session._base_url)), request)

    assert answer.startswith(b"HTTP/1.1 417 ")
    assert "expectation_failed" == json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert "Traceback" not in "".join(capsys.readouterr())


UNPARSABLE = [
    b"GET /home HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sec\x01ret\r\n\r\n",
    b"GET /home HTTP/1.1\r\nHost: x\r\nsecret words: x\r\n\r\n",
    b"GET /home HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b"secret" * 3000 + b"\r\n\r\n",
    b"G\x00ET /secret HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /home HTTP/9.9secret\r\nHost: x\r\n\r\n",
    b"GET /home HTTP/1.1\r\nHost: x\r\nContent-Length: secret\r\n\r\n",
    b"GET /home HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nsecret",
    b"\x16\x03\x01\x02\x00\x01secret\r\n\r\n",
]


@pytest.mark.parametrize("request_bytes", UNPARSABLE, ids=range(len(UNPARSABLE)))
async def test_an_unparsable_request_is_answered_without_its_bytes(
    request_bytes: bytes, key_file: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """What aiohttp quotes may be an Authorization header: neither the answer nor the log repeats it."""
    caplog.set_level(logging.DEBUG)
    async with resource_service(key_file) as session:
        answer = await raw_answer(URL(str(session._base_url)), request_bytes)

    assert {"error": "invalid_request", "error_description": "Bad Request"} == json.loads(
        answer.partition(b"\r\n\r\n")[2]
    )
    assert "secret" not in answer.decode() + caplog.text + "".join(capsys.readouterr())


@pytest.mark.parametrize("request_bytes", LONG.values(), ids=LONG.keys())
async def test_a_request_that_cannot_be_parsed_leaves_no_cycle(request_bytes: bytes, key_file: Path) -> None:
    """Its bytes are freed with its connection, without the garbage collector."""
    async with resource_service(key_file) as session:
        url = URL(str(session._base_url))

        await nothing_left(str(url.host), url.port or 0, request_bytes)


async def test_a_redirect_is_no_error() -> None:
    """Everything below 400 stays as it is."""

    async def moved(_request: web.Request) -> web.Response:
        raise web.HTTPFound("/there")

    async with (
        serving(_application(moved)) as url,
        aiohttp.ClientSession() as session,
        session.get(url, allow_redirects=False) as answer,
    ):
        assert (302, "/there") == (answer.status, answer.headers["Location"])


async def test_an_unexpected_error_stays_inside(capsys: pytest.CaptureFixture[str]) -> None:
    """Outside it is a bare 500; the log has the trace."""

    async def broken(_request: web.Request) -> web.Response:
        raise RuntimeError("/etc/secret is missing")

    async with serving(_application(broken)) as url, aiohttp.ClientSession() as session, session.get(url) as answer:
        assert (500, "application/json", "server_error", "Internal Server Error") == await _error(answer)
    assert "/etc/secret is missing" in "".join(capsys.readouterr())


async def test_no_token_is_ever_logged(
    key_file: Path,
    key: Key,
    times: dict[str, int],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither a good token nor a bad one leaves a trace, at any level."""
    caplog.set_level(logging.DEBUG)
    tokens = [key.token(**times), key.token(), key.token(**times)[:-5], Key("k9").token(**times)]
    async with resource_service(key_file) as session:
        for token in tokens:
            async with session.get("/home", headers=bearer(token)) as answer:
                await answer.read()

    logged = caplog.text + "".join(capsys.readouterr())
    assert [] == [token for token in tokens if any(part in logged for part in token.split("."))]


def _application(handler: Callable[..., object]) -> web.Application:
    app = web.Application()
    app.router.add_get("/", handler)  # type: ignore[arg-type]  # handlers that only raise
    return app
