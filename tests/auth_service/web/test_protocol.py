"""Requests that aiohttp refuses by itself, before any handler: the same JSON, and nothing of their bytes anywhere."""

import asyncio
import json
import logging

import pytest

from tests.auth_service.running import PASSWORD, Auth
from tests.connection import connected
from tests.deadline import HANGS_S
from tests.unparsable import LONG, nothing_left

SECRET = "s3cr3t-" + "x" * 16
JSON_POST = b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


async def exchange(auth: Auth, request: bytes) -> tuple[int, bytes, bytes]:
    """Send bytes; return the status, the head and the body of everything that comes back."""
    async with connected(auth.client.host, auth.client.port) as (reader, writer):
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), HANGS_S)
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), head, body


UNPARSABLE = {
    "no HTTP": f"\x16\x03\x01 {SECRET}\r\n\r\n",
    "method": f"G\x00T{SECRET} / HTTP/1.1\r\nHost: a\r\n\r\n",
    "path": f"GET /\x01{SECRET} HTTP/1.1\r\nHost: a\r\n\r\n",
    "version": f"GET / HTTP/{SECRET}\r\nHost: a\r\n\r\n",
    "header without colon": f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization Bearer {SECRET}\r\n\r\n",
    "control character": f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \x01{SECRET}\r\n\r\n",
    "long header": f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {SECRET * 2000}\r\n\r\n",
    "long path": f"GET /{SECRET * 2000} HTTP/1.1\r\nHost: a\r\n\r\n",
    "content length": f"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: {SECRET}\r\n\r\n",
    "two lengths": f"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: {SECRET}\r\n\r\n",
    "no host": f"GET / HTTP/1.1\r\nAuthorization: {SECRET}\r\n : {SECRET}\r\n\r\n",
}


@pytest.mark.parametrize("request_text", UNPARSABLE.values(), ids=UNPARSABLE.keys())
async def test_a_request_that_cannot_be_parsed_is_repeated_nowhere(
    auth: Auth, request_text: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """An unparsable request gets the JSON error, and its bytes, perhaps a token, are neither answered nor logged."""
    caplog.set_level(logging.DEBUG)

    status, head, body = await exchange(auth, request_text.encode("latin-1"))

    assert 400 == status
    assert "invalid_request" == json.loads(body)["error"]
    assert {"error", "error_description"} == json.loads(body).keys()
    assert b"application/json" in head
    assert SECRET.encode() not in head + body
    assert SECRET not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize("request_bytes", LONG.values(), ids=LONG.keys())
async def test_a_request_that_cannot_be_parsed_leaves_no_cycle(auth: Auth, request_bytes: bytes) -> None:
    """Its bytes are freed with its connection, without the garbage collector."""
    await nothing_left(str(auth.client.host), auth.client.port or 0, request_bytes)


BROKEN_BODIES = {
    "chunk size": JSON_POST + f"Transfer-Encoding: chunked\r\n\r\n{SECRET}\r\n".encode(),
    "chunk end": JSON_POST + f"Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}{SECRET}\r\n0\r\n\r\n".encode(),
    "trailer": JSON_POST + f"Transfer-Encoding: chunked\r\n\r\n0\r\n\x01{SECRET}\r\n\r\n".encode(),
}


@pytest.mark.parametrize("request_bytes", BROKEN_BODIES.values(), ids=BROKEN_BODIES.keys())
async def test_a_body_whose_framing_breaks_is_repeated_nowhere(
    auth: Auth, request_bytes: bytes, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A body whose chunks make no sense is 400, and its bytes are neither answered nor logged."""
    caplog.set_level(logging.DEBUG)

    status, head, body = await exchange(auth, request_bytes)

    assert (400, "invalid_request") == (status, json.loads(body)["error"])
    assert SECRET.encode() not in head + body
    assert SECRET not in caplog.text + "".join(capfd.readouterr())


async def test_an_expectation_that_cannot_be_met_is_json_too(auth: Auth) -> None:
    """417, which aiohttp raises outside every middleware, has the one shape and does not quote the header."""
    request = JSON_POST + f"Connection: close\r\nContent-Length: 2\r\nExpect: {SECRET}\r\n\r\n{{}}".encode()

    status, head, body = await exchange(auth, request)

    assert (417, "expectation_failed") == (status, json.loads(body)["error"])
    assert SECRET.encode() not in head + body


async def test_an_expectation_that_is_no_utf8_is_the_callers_fault(
    auth: Auth, capfd: pytest.CaptureFixture[str]
) -> None:
    """Although aiohttp fails to quote it, the answer is 417 all the same, and no trace is logged."""
    status, _, body = await exchange(auth, JSON_POST + b"Content-Length: 0\r\nExpect: \xff\r\n\r\n")

    assert (417, "expectation_failed") == (status, json.loads(body)["error"])
    assert "Traceback" not in "".join(capfd.readouterr())


async def test_a_client_may_ask_before_it_sends(auth: Auth) -> None:
    """Expect: 100-continue is answered, then the body is read."""
    body = json.dumps({"username": "zs", "password": PASSWORD}).encode()
    async with connected(auth.client.host, auth.client.port) as (reader, writer):
        writer.write(JSON_POST + b"Connection: close\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        interim = await reader.readuntil(b"\r\n\r\n")
        writer.write(body)
        answer = await reader.read()

    assert interim.startswith(b"HTTP/1.1 100 ")
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_body_that_never_comes_whole_is_no_fault_of_the_service(
    auth: Auth, capfd: pytest.CaptureFixture[str]
) -> None:
    """A client that hangs up in the middle of its body leaves no error in the log, and the service goes on."""
    async with connected(auth.client.host, auth.client.port) as (_, writer):
        writer.write(JSON_POST + b'Content-Length: 100\r\n\r\n{"password": "' + SECRET.encode())
        await writer.drain()
    await auth.log_in()

    log = "".join(capfd.readouterr())

    assert "unexpected" not in log
    assert SECRET not in log
