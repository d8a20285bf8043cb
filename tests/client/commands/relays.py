"""What stands between a client and a service in a company: a proxy, and a server whose authority is the company's."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from yarl import URL

from tests.connection import connected, listening
from tests.system.certificates import Certificates


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()


async def _join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: URL, *, answer: bytes = b"", first: bytes = b""
) -> None:
    async with connected(url.host, url.port) as (there, back):
        writer.write(answer)
        back.write(first)
        await asyncio.gather(_copy(reader, back), _copy(there, writer))


@asynccontextmanager
async def proxy() -> AsyncIterator[tuple[str, list[str]]]:
    """Run a proxy (RFC 9110 §7.1 and §9.3.6); yield its address, and the list of what it was asked for."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, version = (await reader.readline()).decode().split()
        asked.append(f"{method} {target}")
        if method == "CONNECT":
            await reader.readuntil(b"\r\n\r\n")
            await _join(reader, writer, URL(f"//{target}"), answer=b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            await _join(reader, writer, URL(target), first=f"{method} {URL(target).path} {version}\r\n".encode())

    async with listening(serve) as port:
        yield f"http://127.0.0.1:{port}", asked


@asynccontextmanager
async def tls_front(url: str, certificates: Certificates) -> AsyncIterator[str]:
    """Put TLS before the service at *url*; yield the address."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _join(reader, writer, URL(url))

    async with listening(serve, tls=context) as port:
        yield f"https://127.0.0.1:{port}"
