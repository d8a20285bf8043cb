"""What is told of a page whose preflight was refused."""

import aiohttp
from aiohttp import web
from structlog.testing import capture_logs

from dualtoken_serving.connection import JsonRunner
from dualtoken_serving.process import bind

PREFLIGHT = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}


async def test_an_address_is_told_in_one_form() -> None:
    """A socket for both versions names a peer of IPv4 within IPv6; every other line has the short form."""
    runner = JsonRunner(web.Application(), service="some_service")
    await runner.setup()
    with bind("::", 0, "SOME_") as listener, capture_logs() as lines:
        await web.SockSite(runner, listener).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        async with aiohttp.ClientSession() as session:
            await session.options(url, headers=PREFLIGHT)
        await runner.cleanup()

    assert [("page.refused", "127.0.0.1")] == [(line["event"], line["ip"]) for line in lines]
