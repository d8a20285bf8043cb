"""A forward proxy for plain http that notes what goes through it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from yarl import URL

HOP_BY_HOP = ("Host", "Connection", "Proxy-Connection", "Proxy-Authorization", "Transfer-Encoding", "Content-Length")


class ProxyFake:
    """Passes requests on (RFC 9110 §7.6).

    Attributes:
        url: its address.
        paths: of the requests that went through it, in order.
        credentials: the ``Proxy-Authorization`` of each, None where there was none.
    """

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self.url = ""
        self.paths: list[str] = []
        self.credentials: list[str | None] = []

    async def pass_on(self, request: web.BaseRequest) -> web.Response:
        """Send the request to the address that its first line names in full."""
        target = URL(request.raw_path)
        self.paths.append(target.path)
        self.credentials.append(request.headers.get("Proxy-Authorization"))
        headers = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP}
        body = await request.read()
        async with self._http.request(request.method, target, headers=headers, data=body) as answer:
            kept = {name: value for name, value in answer.headers.items() if name not in HOP_BY_HOP}
            return web.Response(status=answer.status, headers=kept, body=await answer.read())


@asynccontextmanager
async def running_proxy() -> AsyncIterator[ProxyFake]:
    """Run one on a free port."""
    async with aiohttp.ClientSession(auto_decompress=False) as http:
        proxy = ProxyFake(http)
        runner = web.ServerRunner(web.Server(proxy.pass_on), shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            proxy.url = f"http://{host}:{port}"
            yield proxy
        finally:
            await runner.cleanup()
