"""PyPI and OSV as pip-audit asks them: a proxy that leads both names to one server of our own, over TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from tests.connection import connected, listening
from tests.system.certificates import issue

HOSTS = ("pypi.org", "api.osv.dev")


@dataclass
class Advisories:
    """What the sources tell.

    Attributes:
        pypi, osv: what is known against each package that the source knows, as identifiers; None: it answers nothing.
        asked: the sources that were asked, in order, each once.
    """

    pypi: Mapping[str, list[str]] | None
    osv: Mapping[str, list[str]] | None
    asked: list[str] = field(default_factory=list)

    async def answer_as_pypi(self, request: web.Request) -> web.Response:
        """Answer ``/pypi/NAME/VERSION/json``, as https://docs.pypi.org/api/json/ shows it."""
        known = self._told("pypi", self.pypi)
        if (name := request.match_info["name"]) not in known:
            raise web.HTTPNotFound
        vulnerabilities = [
            {"id": id_, "aliases": [], "fixed_in": ["99.0"], "summary": "a hole", "withdrawn": None}
            for id_ in known[name]
        ]
        return web.json_response({"vulnerabilities": vulnerabilities})

    async def answer_as_osv(self, request: web.Request) -> web.Response:
        """Answer ``POST /v1/query``, as https://google.github.io/osv.dev/post-v1-query/ shows it."""
        known = self._told("osv", self.osv)
        package = (await request.json())["package"]
        affected = [{"package": package, "ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": "99.0"}]}]}]
        vulns = [
            {"id": id_, "summary": "a hole", "affected": affected, "published": "2026-01-01T00:00:00Z"}
            for id_ in known.get(package["name"], ())
        ]
        return web.json_response({"vulns": vulns} if vulns else {})

    def _told(self, source: str, known: Mapping[str, list[str]] | None) -> Mapping[str, list[str]]:
        if source not in self.asked:
            self.asked.append(source)
        if known is None:
            raise web.HTTPServiceUnavailable
        return known


@asynccontextmanager
async def answering(advisories: Advisories, folder: Path) -> AsyncIterator[dict[str, str]]:
    """Serve; give the environment in which pip-audit asks here and nowhere else."""
    certificates = issue(folder / "tls", *HOSTS)
    app = web.Application()
    app.router.add_get("/pypi/{name}/{version}/json", advisories.answer_as_pypi)
    app.router.add_post("/v1/query", advisories.answer_as_osv)
    runner = web.AppRunner(app)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        async with listening(_to_port(runner.addresses[0][1])) as proxy:
            yield {
                "HTTPS_PROXY": f"http://127.0.0.1:{proxy}",
                "REQUESTS_CA_BUNDLE": str(certificates.authority),
                "PIP_CACHE_DIR": str(folder / "cache"),
            }
    finally:
        await runner.cleanup()


def _to_port(port: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take CONNECT for the known names, and pass bytes on."""
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        if request.split()[1] not in {f"{host}:443" for host in HOSTS}:
            return
        async with connected("127.0.0.1", port) as (there_reader, there_writer):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(_pass_on(reader, there_writer), _pass_on(there_reader, writer))

    return connect


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
