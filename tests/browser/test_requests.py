"""`session.fetch` and `session.send`: which of the requests that a browser knows get a token, and a repetition."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser

from tests.browser.conftest import World
from tests.browser.gate import Gate
from tests.browser.tabs import DEADLINE_MS, Tab
from tests.browser.test_axios import prepare, serve_axios

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("lasting")]
_CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "authorization, content-type"}


@dataclass(frozen=True)
class Open:
    """A tab that may call every service, one that gets its tokens, one that does not, and what both were sent."""

    tab: Tab
    ours: str
    foreign: str
    seen: list[tuple[str, bool]]


@pytest_asyncio.fixture(loop_scope="session")
async def opened(browser: Browser, world: World, gate: Gate) -> AsyncIterator[Open]:
    """Open a tab without a Content-Security-Policy. Paths answer 200, but ``/refuse`` 401; ``/moved`` leads there."""
    seen: list[tuple[str, bool]] = []

    async def answer(request: web.Request) -> web.Response:
        if request.method == "OPTIONS":
            return web.Response(headers=_CORS)
        seen.append((request.path, "Authorization" in request.headers))
        if request.path == "/moved":
            return web.Response(status=307, headers={**_CORS, "Location": f"{foreign}/refuse"})
        return web.Response(status=401 if request.path == "/refuse" else 200, headers=_CORS)

    async with AsyncExitStack() as stack:
        addresses = []
        for _ in range(2):
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", answer)
            server = await stack.enter_async_context(TestServer(app))
            addresses.append(f"http://localhost:{server.port}")
        ours, foreign = addresses
        context = await browser.new_context(bypass_csp=True)
        stack.push_async_callback(context.close)
        context.set_default_timeout(DEADLINE_MS)
        tab = Tab(await context.new_page(), str(gate.url), str(world.api))
        await tab.page.goto(str(world.page / "health/live"))
        await tab.create_session(origins=[ours, str(world.page.origin())])
        yield Open(tab, ours, foreign, seen)


async def test_a_redirect_to_another_origin_repeats_nothing(opened: Open, gate: Gate) -> None:
    """The browser has taken the token off, so the 401 there refuses none: a POST would be done twice."""
    await opened.tab.log_in()
    gate.reset()
    status = await opened.tab.page.evaluate(
        "async (url) => (await session.fetch(url, { method: 'POST', body: 'x' })).status", f"{opened.ours}/moved"
    )

    assert (401, [("/moved", True), ("/refuse", False)]) == (status, opened.seen)
    assert [] == gate.refreshes


async def test_axios_repeats_nothing_after_a_redirect_to_another_origin(opened: Open, gate: Gate) -> None:
    """Neither, where it sends an XMLHttpRequest."""
    await serve_axios(opened.tab.page.context)
    await opened.tab.log_in()
    await prepare(opened.tab, "xhr")
    gate.reset()
    status = await opened.tab.page.evaluate(
        "(url) => api.post(url, 'x').catch((error) => error.response.status)", f"{opened.ours}/moved"
    )

    assert (401, [("/moved", True), ("/refuse", False)]) == (status, opened.seen)
    assert [] == gate.refreshes


async def test_what_can_carry_no_token_needs_no_session(opened: Open) -> None:
    """A request in the mode `no-cors`, and an address that is no service's, though it names the page's own origin."""
    types = await opened.tab.page.evaluate(
        """async (url) => {
             const blob = URL.createObjectURL(new Blob(["x"]));
             const answers = [await session.fetch(url, { mode: "no-cors" }), await session.fetch(blob)];
             return answers.map((answer) => answer.type);
           }""",
        f"{opened.ours}/things",
    )

    assert (["opaque", "basic"], [("/things", False)]) == (types, opened.seen)


async def test_a_relative_address_counts_from_where_the_browser_counts_it(opened: Open) -> None:
    """A page may name another base: a request that goes there gets no token."""
    await opened.tab.log_in()
    sent = await opened.tab.page.evaluate(
        """async (foreign) => {
             const attempt = async (authorization) => ({ answer: authorization !== null, refused: false });
             const before = await session.send("/home", attempt);
             document.head.append(Object.assign(document.createElement("base"), { href: foreign }));
             return [before, await session.send("/home", attempt), (await session.fetch("/home")).status];
           }""",
        opened.foreign,
    )

    assert ([True, False, 200], [("/home", False)]) == (sent, opened.seen)
