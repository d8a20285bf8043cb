"""Bare connections that are over when their block is: one that outlives the loop fails whatever test comes later."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def connect(host: str | None, port: int | None, *, tls: ssl.SSLContext | None = None) -> Connection:
    """Open a connection, for who closes it by ``closed``."""
    return await asyncio.open_connection(host, port, ssl=tls)  # noqa: TID251 - the one place


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection; return once it is gone: over TLS not before the other side has answered the goodbye."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def aborted(writer: asyncio.StreamWriter) -> None:
    """Break a connection off, whatever was still to be sent; return once it is gone."""
    writer.transport.abort()
    await closed(writer)


@asynccontextmanager
async def connected(
    host: str | None, port: int | None, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Connection]:
    """Hold a connection open for a block."""
    reader, writer = await connect(host, port, tls=tls)
    try:
        yield reader, writer
    finally:
        await closed(writer)


@asynccontextmanager
async def listening(serve: Serve, port: int = 0, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve every connection by *serve*; yield the port. At the end of the block, those that are left are broken off.

    Raises:
        Exception: the first that a connection's *serve* raised, other than that its peer hung up.
    """
    served: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, EOFError):
            await serve(reader, writer)
        await closed(writer)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served[asyncio.create_task(serve_one(reader, writer))] = writer

    async with await asyncio.start_server(accept, "127.0.0.1", port, ssl=tls) as server:  # noqa: TID251 - the one place
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()  # first: none comes after those that are ended here
            for task in served:
                task.cancel()
            outcomes = await asyncio.gather(*served, return_exceptions=True)
            for writer in served.values():
                await aborted(writer)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
