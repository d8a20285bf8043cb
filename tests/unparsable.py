"""Requests that no parser takes, long ones, and what is left of them in this process."""

import asyncio
import gc

from aiohttp.http_exceptions import HttpProcessingError

from tests.connection import aborted, connect
from tests.deadline import HANGS_S

_LOOK_EVERY_S = 0.01
_GOOD = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"
_UPGRADE = b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
_ZEROS = bytes(1_000_000)

LONG = {
    "alone": _ZEROS,
    "one header": b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * len(_ZEROS) + b"\r\n\r\n",
    "behind good ones": _GOOD * 3 + _ZEROS,
    "behind a declined upgrade": _UPGRADE + _ZEROS,
}


async def nothing_left(host: str, port: int, request: bytes) -> None:
    """Send *request*, and hang up on the answer; return once the parser's exceptions are gone, uncollected.

    With one of them would go all that its traceback leads to.

    Raises:
        TimeoutError: one stays.
    """
    gc.collect()
    gc.disable()
    # Those that an earlier failure keeps: held here, so that none of them goes while others come.
    others = _exceptions()
    try:
        for hangs_up in (False, True):
            await _send(host, port, request, hangs_up=hangs_up)
        async with asyncio.timeout(HANGS_S):
            while len(_exceptions()) > len(others):  # noqa: ASYNC110 - memory tells nobody
                await asyncio.sleep(_LOOK_EVERY_S)
    finally:
        gc.enable()


def _exceptions() -> list[HttpProcessingError]:
    return [thing for thing in gc.get_objects() if isinstance(thing, HttpProcessingError)]


async def _send(host: str, port: int, request: bytes, *, hangs_up: bool) -> None:
    reader, writer = await connect(host, port)
    writer.write(request)
    try:
        if not hangs_up:
            await reader.read()
    except ConnectionError:
        pass  # it answered, and closed before it had read everything
    finally:
        await aborted(writer)
