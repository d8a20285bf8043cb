"""A sender that never comes to an end."""

import asyncio

from tests.connection import connected
from tests.deadline import HANGS_S

_EVERY_S = 0.05


async def trickled(host: str | None, port: int | None, beginning: bytes) -> bytes:
    """Send *beginning*, then a byte now and then until the other side closes; return what it said.

    Raises:
        TimeoutError: it does not close.
    """
    async with connected(host, port) as (reader, writer):
        writer.write(beginning)
        said = asyncio.create_task(reader.read())
        try:
            async with asyncio.timeout(HANGS_S):
                while not said.done():
                    writer.write(b"x")
                    await asyncio.wait([said], timeout=_EVERY_S)
            return await said
        except ConnectionError:
            return b""  # closed before it had read the last byte
        finally:
            said.cancel()
