"""`silent-refresh.js` and time: machines that sleep, pages that are put away, services that ask to wait."""

import asyncio

import pytest
from playwright.async_api import BrowserContext

from tests.browser.conftest import ACCESS_TTL_S, OpenTab, World
from tests.browser.gate import Gate
from tests.browser.tabs import DEADLINE_MS, STOPPED_CLOCK, Tab

pytestmark = pytest.mark.asyncio(loop_scope="session")
OK = (200, "zs")
CHALLENGED = 400
"""What a proof of a bound session gets by a clock that is not the auth service's: a nonce, and nothing is spent."""
STANDS_STILL = {
    "monotonic": "const at = performance.now(); performance.now = () => at;",
    "wall": "const at = Date.now(); Date.now = () => at;",
}
"""Scripts for new documents: one of the two clocks stands still, as in sleep or while somebody corrects it."""


@pytest.mark.parametrize("clock", STANDS_STILL)
async def test_a_token_runs_out_while_one_clock_stands_still(
    open_tab: OpenTab, gate: Gate, context: BrowserContext, clock: str
) -> None:
    """The clock that says more counts: after a sleep, no dead token is handed out, and fifty calls cost one refresh."""
    await context.add_init_script(f"{{ {STANDS_STILL[clock]} }}")
    tab = await open_tab()
    await tab.log_in()
    await tab.until_expired()
    gate.reset()
    refused: list[int] = []
    tab.page.on("response", lambda response: refused.append(response.status) if response.status == 401 else None)

    assert [OK] * 50 == await tab.fetch(50)
    assert 1 == len(gate.refreshes)
    assert [] == refused


async def test_a_wall_clock_that_is_set_back_revives_no_token(
    open_tab: OpenTab, gate: Gate, context: BrowserContext
) -> None:
    """Whoever sets the clock back an hour gets no dead token for it."""
    await context.add_init_script("{ const now = Date.now; window.back = 0; Date.now = () => now() - window.back; }")
    tab = await open_tab()
    await tab.log_in()
    await tab.page.evaluate("() => { window.back = 3_600_000 }")
    await tab.until_expired()
    gate.reset()

    assert [OK] * 5 == await tab.fetch(5)
    assert [CHALLENGED, 200] == [seen.status for seen in gate.refreshes]


async def test_a_tab_that_slept_for_a_day_refreshes_once(
    open_tab: OpenTab, gate: Gate, context: BrowserContext
) -> None:
    """After a day of sleep, during which only the wall clock went on, the first calls cost one refresh in all."""
    await context.add_init_script("{ const now = Date.now; window.slept = 0; Date.now = () => now() + window.slept; }")
    tabs = [await open_tab(), await open_tab()]
    await tabs[0].log_in()
    await tabs[1].until("session.status.state === 'active'")
    for tab in tabs:
        await tab.page.evaluate("() => { window.slept = 86_400_000 }")
    gate.reset()

    assert 0 == (await tabs[1].status())["expiresInMs"]
    assert [OK] * 20 == await tabs[1].fetch(20)
    assert [OK] * 20 == await tabs[0].fetch(20)
    assert [CHALLENGED, 200] == [seen.status for seen in gate.refreshes]


async def test_a_page_that_lies_open_for_a_day_asks_nothing(
    open_tab: OpenTab, gate: Gate, context: BrowserContext
) -> None:
    """A day passes by the browser's own time: nothing is asked meanwhile, and the calls after it cost one refresh."""
    # Unbound: while keys are at work, which is no network traffic, this clock would leap over a token's life.
    tab = await open_tab(bind=False)
    await tab.log_in()
    gate.reset()
    devtools = await context.new_cdp_session(tab.page)
    steps: asyncio.Queue[None] = asyncio.Queue()
    devtools.on("Emulation.virtualTimeBudgetExpired", lambda _: steps.put_nowait(None))

    async def let_pass(policy: str, ms: int) -> None:
        await devtools.send("Emulation.setVirtualTimePolicy", {"policy": policy, "budget": ms})
        async with asyncio.timeout(DEADLINE_MS / 1000):
            await steps.get()

    async def go_on() -> None:
        while True:
            await let_pass("pauseIfNetworkFetchesPending", 50)

    await let_pass("advance", 86_400_000)
    asked = list(gate.seen)
    going = asyncio.create_task(go_on())
    answers = await tab.fetch(20)
    going.cancel()

    assert [OK] * 20 == answers
    assert [] == asked
    assert 1 == len(gate.refreshes)


async def test_a_page_out_of_the_cache_asks_anew(open_tab: OpenTab, gate: Gate) -> None:
    """A page that comes back by the browser's cache may have missed a log-out: it asks before it shows anything."""
    tab = await open_tab()
    await tab.log_in()
    gate.reset()
    await tab.page.evaluate("() => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    await gate.until_refreshes(1)
    await tab.until("session.status.state === 'active'")

    assert [OK] == await tab.fetch()


@pytest.mark.parametrize("retry_after", ["86400", "Wed, 21 Oct 2099 07:28:00 GMT"])
async def test_a_pause_of_a_day_ends_after_a_minute(
    open_tab: OpenTab, gate: Gate, context: BrowserContext, retry_after: str
) -> None:
    """`Retry-After` of a day keeps the page from asking for a minute, and not longer."""
    tab = await asked_to_wait(open_tab, gate, context, retry_after)

    assert [(0, "AuthUnavailable")] * 5 == await tab.fetch(5)
    assert [0] == [seen.status for seen in gate.refreshes]
    await tab.advance_s(61)
    assert [OK] * 5 == await tab.fetch(5)
    assert [0, 200] == [seen.status for seen in gate.refreshes]


@pytest.mark.parametrize("way", ["login", "restore"])
async def test_whoever_asks_on_purpose_need_not_wait(
    open_tab: OpenTab, gate: Gate, context: BrowserContext, way: str
) -> None:
    """A log-in ends the pause that the auth service asked for, and `restore` asks in spite of it."""
    tab = await asked_to_wait(open_tab, gate, context, "86400")
    if way == "login":
        await tab.log_in()
        await tab.advance_s(ACCESS_TTL_S + 1)
    else:
        await tab.page.evaluate("() => session.restore()")

    assert [OK] * 5 == await tab.fetch(5)
    assert [0, 200] == [seen.status for seen in gate.refreshes]


async def asked_to_wait(open_tab: OpenTab, gate: Gate, context: BrowserContext, retry_after: str) -> Tab:
    """Return a tab whose token has run out, and which the auth service has just asked to wait."""
    await context.add_init_script(STOPPED_CLOCK)
    tab = await open_tab()
    await tab.log_in()
    await tab.advance_s(ACCESS_TTL_S + 1)
    gate.reset()
    gate.refuse, gate.retry_after = 1, retry_after

    assert [(0, "AuthUnavailable")] == await tab.fetch()
    return tab


async def test_one_hung_connection_does_not_use_up_the_deadline(open_tab: OpenTab, gate: Gate, world: World) -> None:
    """An attempt that nobody answers gets a third of the time; the next, on another connection, is answered."""
    del world
    tab = await open_tab(timeoutMs=15_000)
    await tab.log_in()
    await tab.until_expired()
    gate.reset()
    gate.hang = 1

    assert [OK] * 5 == await tab.fetch(5)
    assert [0, 200] == [seen.status for seen in gate.refreshes]
    assert 1 == len({seen.key for seen in gate.refreshes})
