"""`silent-refresh.js` in several tabs of one browser: one session, one refresh."""

import asyncio
import json

import pytest
from playwright.async_api import BrowserContext

from tests.browser.conftest import OpenTab
from tests.browser.gate import Gate
from tests.system.processes import PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="session")
OK = (200, "zs")


@pytest.mark.parametrize("count", [2, 6])
async def test_tabs_refresh_once_in_all(open_tab: OpenTab, gate: Gate, count: int) -> None:
    """However many tabs find the token expired at once, one of them refreshes, and hands the token over."""
    tabs = [await open_tab() for _ in range(count)]
    await tabs[0].log_in()
    await asyncio.gather(*(tab.until("session.status.state === 'active'") for tab in tabs))
    await asyncio.gather(*(tab.until_expired() for tab in tabs))
    gate.reset()

    assert [[OK] * 8] * count == await asyncio.gather(*(tab.fetch(8) for tab in tabs))
    assert 1 == len(gate.refreshes)


@pytest.mark.usefixtures("brief")
async def test_a_frozen_tab_does_not_hold_up_the_others(open_tab: OpenTab, gate: Gate, context: BrowserContext) -> None:
    """A tab frozen in the middle of its refresh keeps the lock: another repeats the same refresh, and goes on."""
    frozen, other = await open_tab(overdueMs=1_000), await open_tab(overdueMs=1_000)
    await frozen.log_in()
    await other.until("session.status.state === 'active'")
    await other.until_expired()
    gate.reset()
    gate.hold_answers()
    await frozen.page.evaluate("(url) => { window.call = session.fetch(url).then((r) => r.status) }", frozen.home)
    await gate.until_refreshes(1)
    devtools = await context.new_cdp_session(frozen.page)
    await devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    waiting = asyncio.create_task(other.fetch())
    await gate.until_refreshes(2)
    gate.answers.set()

    assert [OK] == await waiting
    assert 1 == len({seen.key for seen in gate.refreshes})
    assert [200, 200] == [seen.status for seen in gate.refreshes]

    await devtools.send("Page.setWebLifecycleState", {"state": "active"})
    assert 200 == await frozen.page.evaluate("() => window.call")
    await other.until_expired()
    assert [OK] == await other.fetch()
    assert [OK] == await frozen.fetch()


async def test_a_tab_that_dies_leaves_its_refresh_to_the_next(open_tab: OpenTab, gate: Gate) -> None:
    """The Idempotency-Key outlives the tab that sent it: the next repeats the refresh whose answer nobody heard."""
    dying = await open_tab()
    await dying.log_in()
    await dying.until_expired()
    gate.reset()
    gate.hold_answers()
    await dying.page.evaluate("(url) => { session.fetch(url).catch(() => {}) }", dying.home)
    await gate.until_refreshes(1)
    await dying.page.close()
    gate.answers.set()
    tab = await open_tab()

    assert [OK] == await tab.fetch()
    assert [(200, first) for first in [gate.refreshes[0].key] * 2] == [(s.status, s.key) for s in gate.refreshes]
    assert None is await tab.page.evaluate("() => localStorage.getItem(Object.keys(localStorage)[0] ?? '')")


@pytest.mark.usefixtures("lasting")
async def test_log_out_reaches_all_tabs(open_tab: OpenTab, context: BrowserContext, gate: Gate) -> None:
    """A log-out in one tab ends the session in all, at once and for good; no call leaves after it."""
    tabs = [await open_tab() for _ in range(3)]
    await tabs[0].log_in()
    await asyncio.gather(*(tab.until("session.status.state === 'active'") for tab in tabs))

    assert None is await tabs[1].log_out()
    await asyncio.gather(*(tab.until("session.status.reason === 'logged_out'") for tab in tabs))
    gate.reset()
    assert [[(0, "LoginRequired")]] * 3 == [await tab.fetch() for tab in tabs]
    assert [] == gate.seen
    assert [] == await context.cookies()
    assert [["no_session", "logged_out"], ["no_session"]] == [await t.page.evaluate("() => told") for t in tabs[:2]]


@pytest.mark.usefixtures("lasting")
async def test_log_in_reaches_all_tabs(open_tab: OpenTab) -> None:
    """A log-in in one tab opens the session in all."""
    first, second = await open_tab(), await open_tab()
    await first.log_in()
    await second.until("session.status.state === 'active'")

    assert [OK] == await second.fetch()


@pytest.mark.usefixtures("lasting")
async def test_a_call_is_never_sent_in_another_name(open_tab: OpenTab) -> None:
    """A call that was refused while another user logged in is given up, not replayed in that user's name."""
    first, second = await open_tab(), await open_tab()
    await first.log_in()
    await second.until("session.status.state === 'active'")
    await first.spoil_token()
    await second.page.evaluate(
        """(name) => new Promise((granted) => navigator.locks.request(name, () => {
             granted();
             return new Promise((free) => { window.free = free; });
           }))""",
        first.lock,
    )
    login = asyncio.create_task(second.log_in("mk"))
    await second.page.wait_for_function("async () => (await navigator.locks.query()).pending.length === 1")
    waiting = asyncio.create_task(first.fetch(3))
    await first.until("session.status.refreshing")
    await second.page.evaluate("() => window.free()")

    assert {"username": "mk", "email": "mk@example.org"} == await login
    assert [(0, "UserChanged")] * 3 == await waiting
    await first.until("session.status.user?.username === 'mk'")
    assert [(200, "mk")] == await first.fetch()


async def test_a_cookie_of_another_user_is_noticed(open_tab: OpenTab, gate: Gate) -> None:
    """When the cookie turns out to be another user's, waiting calls are given up, and the session is that user's."""
    tab = await open_tab()
    await tab.log_in()
    await tab.page.evaluate(
        """([url, body]) => fetch(url, {
             method: "POST", credentials: "include", headers: { "Content-Type": "application/json" }, body,
           })""",
        [str(gate.url / "login"), json.dumps({"username": "mk", "password": PASSWORD, "cookie": True})],
    )
    await tab.until_expired()

    assert [(0, "UserChanged")] * 3 == await tab.fetch(3)
    assert [(200, "mk")] == await tab.fetch()


async def test_without_web_locks_no_key_is_sent(open_tab: OpenTab, gate: Gate, context: BrowserContext) -> None:
    """Where there are no Web Locks, tabs race without a key, and the grace of the auth service answers them all."""
    await context.add_init_script("Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })")
    tabs = [await open_tab() for _ in range(3)]
    await tabs[0].log_in()
    await asyncio.gather(*(tab.until("session.status.state === 'active'") for tab in tabs))
    await asyncio.gather(*(tab.until_expired() for tab in tabs))
    gate.reset()

    assert [[OK] * 4] * 3 == await asyncio.gather(*(tab.fetch(4) for tab in tabs))
    assert {None} == {seen.key for seen in gate.refreshes}
    assert 1 <= len(gate.refreshes) <= 3
