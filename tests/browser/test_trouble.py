"""`silent-refresh.js` when answers are lost, services are down, storage is full."""

import asyncio

import pytest
from playwright.async_api import BrowserContext

from tests.browser.conftest import LASTING_S, OpenTab
from tests.browser.gate import Gate
from tests.browser.tabs import HASTY_CLOCK, STOPPED_CLOCK, until_given_up

pytestmark = pytest.mark.asyncio(loop_scope="session")
OK = (200, "zs")


async def test_a_lost_answer_is_asked_for_again(open_tab: OpenTab, gate: Gate) -> None:
    """When the answer is lost on the way, the same refresh is sent again, and nobody is logged out."""
    tab = await open_tab()
    await tab.log_in()
    await tab.until_expired()
    gate.reset()
    gate.lose = 1

    assert [OK] * 5 == await tab.fetch(5)
    assert 2 == len(gate.refreshes)
    assert 1 == len({seen.key for seen in gate.refreshes})


async def test_full_storage_costs_the_key_alone(open_tab: OpenTab, gate: Gate, context: BrowserContext) -> None:
    """Where localStorage takes nothing, a refresh is sent without a key."""
    await context.add_init_script(
        "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError') }"
    )
    tab = await open_tab()
    await tab.log_in()
    await tab.until_expired()
    gate.reset()

    assert [OK] * 5 == await tab.fetch(5)
    assert [None] == [seen.key for seen in gate.refreshes]


@pytest.mark.parametrize("text", ["", " ", "ключ", "two\nlines", "x" * 300])
async def test_a_journal_that_is_none_is_written_anew(open_tab: OpenTab, gate: Gate, text: str) -> None:
    """Another script's text in its place would fail each refresh, since the same key is sent until it is answered."""
    tab = await open_tab()
    await tab.log_in()
    await tab.page.evaluate("([key, text]) => localStorage.setItem(key, text)", [f"{tab.lock} idempotency-key", text])
    await tab.until_expired()
    gate.reset()

    assert [OK] * 3 == await tab.fetch(3)
    [refresh] = gate.refreshes
    assert 32 == len(refresh.key or "")


async def test_failures_that_pass_log_nobody_out(open_tab: OpenTab, gate: Gate) -> None:
    """503 is met with patience: the same refresh again, until it is answered."""
    tab = await open_tab()
    await tab.log_in()
    await tab.until_expired()
    gate.reset()
    gate.refuse = 3

    assert [OK] * 5 == await tab.fetch(5)
    assert [0, 0, 0, 200] == [seen.status for seen in gate.refreshes]
    assert 1 == len({seen.key for seen in gate.refreshes})


async def test_an_auth_service_that_stays_down_is_an_error_of_its_own(
    open_tab: OpenTab, gate: Gate, context: BrowserContext
) -> None:
    """All who wait get one error; nothing is asked in the background, and the session goes on afterwards."""
    await context.add_init_script(HASTY_CLOCK)
    patient, *tabs = [await open_tab() for _ in range(3)]
    await patient.log_in()
    await asyncio.gather(*(tab.until("session.status.state === 'active'") for tab in tabs))
    await asyncio.gather(*(tab.until_expired() for tab in tabs))
    gate.reset()
    gate.refuse = 1_000

    calls = asyncio.gather(*(tab.fetch(5) for tab in tabs))
    await gate.until_refreshes(1)
    await until_given_up(calls, *tabs)
    assert [[(0, "AuthUnavailable")] * 5] * 2 == await calls
    assert {"active"} == {(await tab.status())["state"] for tab in tabs}
    asked = len(gate.refreshes)
    assert asked < 12
    gate.refuse = 0
    assert asked == len(gate.refreshes)
    assert [OK] == await patient.fetch()


@pytest.mark.usefixtures("lasting")
async def test_a_failed_background_refresh_is_not_repeated_by_every_call(
    open_tab: OpenTab, gate: Gate, context: BrowserContext
) -> None:
    """Calls go on with the token that there is, and leave the auth service alone until somebody has to wait for it."""
    await context.add_init_script(STOPPED_CLOCK)
    tab = await open_tab(bind=False)  # a proof would be of another hour
    await tab.log_in()
    await tab.advance_s(LASTING_S - 3)
    gate.reset()
    gate.refuse, gate.refusal = 1, 404

    assert [OK] == await tab.fetch()
    await tab.until("session.status.problem !== null && !session.status.refreshing")
    assert [OK] * 5 == await tab.fetch(5)
    assert (1, "AuthRejected") == (len(gate.refreshes), (await tab.status())["problem"])
    await tab.advance_s(4)  # the token has run out, and less has passed than background refreshes wait after a failure
    assert [OK] * 5 == await tab.fetch(5)
    assert [0, 200] == [seen.status for seen in gate.refreshes]


async def test_down_at_load_is_not_logged_out(open_tab: OpenTab, gate: Gate, context: BrowserContext) -> None:
    """A page that loads while the auth service is down knows nothing yet; when it is back, the session is, too."""
    await context.add_init_script(HASTY_CLOCK)
    tab = await open_tab()
    await tab.log_in()
    await tab.page.reload()
    gate.refuse = 1_000
    await until_given_up(asyncio.create_task(tab.create_session()), tab)
    before = await tab.status()
    gate.refuse = 0

    assert ("unreachable", "AuthUnavailable", None) == (before["state"], before["problem"], before["reason"])
    assert [OK] == await tab.fetch()
    assert [] == await tab.page.evaluate("() => told")


async def test_a_log_out_that_did_not_arrive_is_made_up_for(
    open_tab: OpenTab, gate: Gate, context: BrowserContext
) -> None:
    """Who logs out while the auth service is down stays logged out: the next load tells it and restores nothing."""
    tab = await open_tab()
    await tab.log_in()
    gate.refuse = 1

    assert "AuthUnavailable" == await tab.log_out()
    assert "ended" == (await tab.status())["state"]
    await tab.page.reload()
    gate.reset()
    await tab.create_session()
    assert "logged_out" == (await tab.status())["reason"]
    assert ["/logout"] == [seen.path for seen in gate.seen if seen.method == "POST"]
    assert [] == await context.cookies()
