"""Requests that trickle in or break off are given up, without a trace in the log."""

import asyncio
from pathlib import Path

import pytest
from yarl import URL

from dualtoken.resource_service.app import create_app
from dualtoken.resource_service.cli import serving_of
from dualtoken.resource_service.settings import Settings
from dualtoken.resource_service.web import home
from dualtoken_serving import process
from tests.connection import aborted, connect, connected
from tests.deadline import HANGS_S
from tests.resource_service.issuer import Key
from tests.resource_service.services import raw_answer, resource_service
from tests.trickle import trickled

ECHO = "POST /echo HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n{}\r\n\r\n"


async def test_a_body_that_never_ends_is_408(
    key_file: Path, key: Key, times: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute for a body, then 408."""
    monkeypatch.setattr(home, "READ_S", 0.2)
    request = ECHO.format(key.token(**times), "Connection: close\r\nContent-Length: 1000").encode() + b"x"
    async with (
        resource_service(key_file) as session,
        connected(session._base_url.host, session._base_url.port) as (reader, writer),  # type: ignore[union-attr]
    ):
        writer.write(request)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HANGS_S)

    assert head.startswith(b"HTTP/1.1 408 ")


async def test_an_upload_that_is_broken_off_is_no_fault_of_the_service(
    key_file: Path, key: Key, times: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Who hangs up in the middle leaves no error in the log, and the service goes on."""
    request = ECHO.format(key.token(**times), "Content-Length: 1000").encode() + b"x"
    async with resource_service(key_file) as session:
        _, writer = await connect(session._base_url.host, session._base_url.port)  # type: ignore[union-attr]
        writer.write(request)
        async with session.get("/health/live") as answer:  # the upload is being read by then
            assert 200 == answer.status
        await aborted(writer)
        async with session.get("/health/live") as answer:
            assert 200 == answer.status

    assert "Traceback" not in "".join(capsys.readouterr())


async def test_a_head_that_never_ends_is_cut_off(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that says nothing, or does not finish its first head, within the keep-alive time is closed."""
    monkeypatch.setattr(process, "KEEPALIVE_S", 0.3)
    settings = Settings(keys=key_file)
    runner = serving_of(settings).make_runner(create_app(settings))
    await runner.setup()
    try:
        listener = await asyncio.get_running_loop().create_server(runner.server, "127.0.0.1", 0)  # type: ignore[arg-type]
        host, port = listener.sockets[0].getsockname()
        assert b"" == await raw_answer(URL.build(scheme="http", host=host, port=port), b"")
        assert b"" == await trickled(host, port, b"GET /health/live HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        listener.close()
    finally:
        await runner.cleanup()
