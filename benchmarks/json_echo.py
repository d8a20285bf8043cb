"""The limit: a bare aiohttp application that reads JSON and answers it.

``python -m benchmarks.json_echo`` serves as ``web.run_app`` does, on asyncio's own event loop; with ``uvloop`` as an
argument, on the loop that the services use.
"""

import asyncio
import sys

import uvloop
from aiohttp import web


async def echo(request: web.Request) -> web.Response:
    """Answer the body."""
    return web.json_response(await request.json())


async def serve() -> None:
    """Serve on a port of the system until the process ends."""
    app = web.Application()
    app.router.add_post("/echo", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"json_echo listening on http://127.0.0.1:{site.port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve()) if "uvloop" in sys.argv else asyncio.run(serve())
