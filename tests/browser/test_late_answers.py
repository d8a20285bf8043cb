"""`silent-refresh.js`: an answer to an old refresh that arrives after a newer log-in."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import BrowserContext

from tests.browser.conftest import OpenTab
from tests.browser.gate import Gate
from tests.browser.tabs import DEADLINE_MS, Tab

pytestmark = pytest.mark.asyncio(loop_scope="session")
MK = (200, "mk")
WITHOUT_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })"


async def refreshing(tab: Tab, context: BrowserContext, gate: Gate) -> Callable[[], Awaitable[None]]:
    """Let a tab refresh and freeze it; return what lets the answer through, and waits until the browser has it."""
    devtools = await context.new_cdp_session(tab.page)
    await devtools.send("Network.enable")
    arrived: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    def note(event: dict[str, dict[str, str]]) -> None:
        if "set-cookie" in {name.lower() for name in event["headers"]} and not arrived.done():
            arrived.set_result(None)

    devtools.on("Network.responseReceivedExtraInfo", note)
    await tab.until_expired()
    gate.reset()
    gate.hold_answers("/refresh")
    await tab.page.evaluate(
        "(url) => { window.call = session.fetch(url).then((r) => r.status, (e) => e.name) }", tab.home
    )
    await gate.until_refreshes(1)
    await devtools.send("Page.setWebLifecycleState", {"state": "frozen"})

    async def let_through() -> None:
        gate.answers.set()
        async with asyncio.timeout(DEADLINE_MS / 1000):
            await arrived

    return let_through


@pytest.mark.parametrize("locks", [True, False])
async def test_a_log_in_outlasts_an_older_refresh(
    open_tab: OpenTab, gate: Gate, context: BrowserContext, *, locks: bool
) -> None:
    """Somebody logs in while a frozen tab's refresh is under way: its answer comes last, and counts no more."""
    if not locks:
        await context.add_init_script(WITHOUT_LOCKS)
    frozen, other = await open_tab(), await open_tab(overdueMs=500)
    await frozen.log_in()
    await other.until("session.status.state === 'active'")
    let_through = await refreshing(frozen, context, gate)

    assert "mk" == (await other.log_in("mk"))["username"]
    await let_through()
    await other.page.reload()
    await other.create_session()
    assert "mk" == (await other.status())["user"]["username"]
    assert [MK] == await other.fetch()
    assert 1 == len(await context.cookies())


@pytest.mark.parametrize("locks", [True, False])
async def test_a_log_in_after_a_log_out_outlasts_an_older_refresh(
    open_tab: OpenTab, gate: Gate, context: BrowserContext, *, locks: bool
) -> None:
    """The same where the older session was ended first: what its refresh brings late is nobody's session."""
    if not locks:
        await context.add_init_script(WITHOUT_LOCKS)
    frozen, other = await open_tab(), await open_tab(overdueMs=500)
    await frozen.log_in()
    await other.until("session.status.state === 'active'")
    let_through = await refreshing(frozen, context, gate)

    assert None is await other.log_out()
    assert "mk" == (await other.log_in("mk"))["username"]
    await let_through()
    await other.page.reload()
    await other.create_session()
    assert "mk" == (await other.status())["user"]["username"]
    assert [MK] == await other.fetch()
