"""`silent-refresh.js` in a real browser, against both services as processes."""

import asyncio
import json
import sqlite3
from contextlib import closing

import pytest
from playwright.async_api import BrowserContext

from tests.browser.conftest import OpenTab, World
from tests.browser.gate import Gate
from tests.system.processes import PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="session")
OK = (200, "zs")
STORED = "() => [document.cookie, ...Object.entries(localStorage).flat(), ...Object.entries(sessionStorage).flat()]"


async def test_log_in_shows_no_token_to_scripts(open_tab: OpenTab, context: BrowserContext) -> None:
    """The refresh token is in a cookie that scripts do not see, the access token in memory alone."""
    tab = await open_tab()

    assert {"username": "zs", "email": "zs@example.org"} == await tab.log_in()
    assert [OK] == await tab.fetch()
    assert [""] == await tab.page.evaluate(STORED)
    [cookie] = await context.cookies()
    assert ("__Host-refresh", "localhost", "/", True, True, "Strict") == tuple(
        cookie[name]
        for name in ("name", "domain", "path", "httpOnly", "secure", "sameSite")  # type: ignore[literal-required] # the names are the keys
    )


async def test_fifty_over_an_expiry_cost_one_refresh(open_tab: OpenTab, gate: Gate) -> None:
    """Fifty calls at once, after the token has expired: one refresh on the wire, fifty answers."""
    tab = await open_tab()
    await tab.log_in()
    await tab.until_expired()
    gate.reset()

    assert [OK] * 50 == await tab.fetch(50)
    assert 1 == len(gate.refreshes)


async def test_fifty_refused_cost_one_refresh(open_tab: OpenTab, gate: Gate) -> None:
    """Fifty calls with a token that the resource service refuses: fifty 401s, one refresh, fifty replays."""
    tab = await open_tab()
    await tab.log_in()
    await tab.spoil_token()
    gate.reset()
    refused: list[int] = []
    tab.page.on("response", lambda response: refused.append(response.status) if response.status == 401 else None)

    assert [OK] * 50 == await tab.fetch(50)
    assert 1 == len(gate.refreshes)
    assert 50 == len(refused)


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


async def test_a_reload_restores_the_session(open_tab: OpenTab, gate: Gate) -> None:
    """After a reload the session is there again, with its user, for one refresh and without a log-in."""
    tab = await open_tab()
    await tab.log_in()
    await tab.page.reload()
    gate.reset()
    await tab.create_session()

    assert ("active", "zs") == ((await tab.status())["state"], (await tab.status())["user"]["username"])
    assert [OK] == await tab.fetch()
    assert 1 == len(gate.refreshes)


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


async def test_log_in_reaches_all_tabs(open_tab: OpenTab) -> None:
    """A log-in in one tab opens the session in all."""
    first, second = await open_tab(), await open_tab()
    await first.log_in()
    await second.until("session.status.state === 'active'")

    assert [OK] == await second.fetch()


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


async def test_an_auth_service_that_stays_down_is_an_error_of_its_own(open_tab: OpenTab, gate: Gate) -> None:
    """All who wait get one error; nothing is asked in the background, and the session goes on afterwards."""
    patient, *tabs = [await open_tab(), await open_tab(timeoutMs=1_500), await open_tab(timeoutMs=1_500)]
    await patient.log_in()
    await asyncio.gather(*(tab.until("session.status.state === 'active'") for tab in tabs))
    await asyncio.gather(*(tab.until_expired() for tab in tabs))
    gate.reset()
    gate.refuse = 1_000

    assert [[(0, "AuthUnavailable")] * 5] * 2 == await asyncio.gather(*(tab.fetch(5) for tab in tabs))
    assert {"active"} == {(await tab.status())["state"] for tab in tabs}
    asked = len(gate.refreshes)
    assert asked < 12
    gate.refuse = 0
    assert asked == len(gate.refreshes)
    assert [OK] == await patient.fetch()


async def test_down_at_load_is_not_logged_out(open_tab: OpenTab, gate: Gate) -> None:
    """A page that loads while the auth service is down knows nothing yet; when it is back, the session is, too."""
    tab = await open_tab()
    await tab.log_in()
    await tab.page.reload()
    gate.refuse = 1_000
    await tab.create_session(timeoutMs=2_000)
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


async def test_without_a_cookie_there_is_no_session(open_tab: OpenTab, gate: Gate, context: BrowserContext) -> None:
    """An expired cookie ends the session: said once, by its reason, and no call is sent any more."""
    tab = await open_tab()
    await tab.log_in()
    await context.clear_cookies()
    await tab.until_expired()

    assert [(0, "LoginRequired")] * 5 == await tab.fetch(5)
    assert ["no_session", "no_session"] == await tab.page.evaluate("() => told")
    gate.reset()
    assert [(0, "LoginRequired")] * 5 == await tab.fetch(5)
    assert [] == gate.seen


async def test_a_wrong_password_is_an_error_of_its_own(open_tab: OpenTab) -> None:
    """A wrong password is InvalidCredentials, and nothing has changed."""
    tab = await open_tab()

    assert "InvalidCredentials" == await tab.log_in(password="not the password")
    assert "no_session" == (await tab.status())["reason"]


async def test_who_gives_up_harms_nobody(open_tab: OpenTab, gate: Gate) -> None:
    """Aborting the call that started the refresh aborts that call alone."""
    tab = await open_tab()
    await tab.log_in()
    await tab.until_expired()
    gate.reset()
    gate.hold_answers()
    await tab.page.evaluate(
        """(url) => {
             const impatient = new AbortController();
             const first = session.fetch(url, { signal: impatient.signal }).catch((error) => error.name);
             window.calls = [first, ...[1, 2, 3].map(() => session.fetch(url).then((r) => r.status))];
             window.giveUp = () => impatient.abort();
           }""",
        tab.home,
    )
    await gate.until_refreshes(1)
    await tab.page.evaluate("() => giveUp()")
    aborted = await tab.page.evaluate("() => calls[0]")
    gate.answers.set()

    assert "AbortError" == aborted
    assert [200, 200, 200] == await tab.page.evaluate("() => Promise.all(calls.slice(1))")
    assert 1 == len(gate.refreshes)


async def test_a_late_401_refreshes_nothing(open_tab: OpenTab, gate: Gate) -> None:
    """A 401 for a token that has been replaced since is replayed with the new one, without a refresh."""
    tab = await open_tab()
    await tab.log_in()
    gate.reset()
    statuses = await tab.page.evaluate(
        """async ([authUrl, api]) => {
             const { createSession } = await import("/silent-refresh.js");
             let slow;
             const sent = [];
             let refreshes = 0;
             const session = createSession({ authUrl, origins: [api], fetch: async (input, init) => {
               if (!(input instanceof Request)) return (refreshes += 1, fetch(input, init));
               sent.push(input.headers.get("Authorization"));
               if (sent.length > 2) return new Response("{}");
               if (sent.length === 1) await new Promise((late) => { slow = late; });
               return new Response("{}", { status: 401 });
             } });
             await session.ready;
             refreshes = 0;
             const first = session.fetch(api + "/slow");
             const second = await session.fetch(api + "/quick"); // refused, refreshed, replayed
             slow();
             return [(await first).status, second.status, new Set(sent).size, sent.length, refreshes];
           }""",
        [str(gate.url), tab.api],
    )

    assert [200, 200, 2, 4, 1] == statuses


async def test_bodies_are_replayed_whole_or_not_at_all(open_tab: OpenTab) -> None:
    """Text is sent again as it was; a streamed body is refused, never sent empty."""
    tab = await open_tab()
    await tab.log_in()
    bodies = await tab.page.evaluate(
        """async (api) => {
             const { createSession } = await import("/silent-refresh.js");
             const bodies = [];
             const session = createSession({ authUrl: window.authUrl, origins: [api], fetch: async (input, init) => {
               if (!(input instanceof Request)) return fetch(input, init);
               bodies.push(await input.text());
               return new Response("{}", { status: bodies.length % 2 ? 401 : 200 });
             } });
             await session.ready;
             await session.fetch(api + "/echo", { method: "POST", body: "whole" });
             await session.fetch(new Request(api + "/echo", { method: "POST", body: "request" }));
             const stream = new Blob(["streamed"]).stream();
             const refused = await session
               .fetch(api + "/echo", { method: "POST", body: stream, duplex: "half" })
               .catch((error) => error.name);
             return [...bodies, refused];
           }""",
        tab.api,
    )

    assert ["whole", "whole", "request", "request", "streamed", "NotReplayable"] == bodies


async def test_other_origins_get_no_token(open_tab: OpenTab, world: World) -> None:
    """Only the origins of the list see the access token."""
    tab = await open_tab()
    await tab.log_in()
    async with tab.page.expect_request("**/config.json") as sent:
        await tab.page.evaluate("(url) => session.fetch(url)", str(world.page / "config.json"))

    assert "authorization" not in await (await sent.value).all_headers()


async def test_plain_http_to_other_machines_is_refused(open_tab: OpenTab) -> None:
    """Tokens do not travel in the clear: an address that is neither https nor local is refused at once."""
    tab = await open_tab()
    refused = await tab.page.evaluate(
        """async () => {
             const { createSession } = await import("/silent-refresh.js");
             const attempts = [
               { authUrl: "http://auth.example", origins: ["https://api.example"] },
               { authUrl: "https://auth.example", origins: ["http://api.example"] },
             ];
             return attempts.map((options) => { try { createSession(options) } catch (error) { return error.name } });
           }"""
    )

    assert ["TypeError", "TypeError"] == refused


async def test_a_foreign_origin_is_refused(open_tab: OpenTab, world: World, gate: Gate) -> None:
    """A page of another origin, to which the browser attaches the cookie, spends, ends and learns nothing."""
    ours = await open_tab()
    await ours.log_in()
    session = "SELECT id, generation, revoked_at FROM sessions ORDER BY id"
    with closing(sqlite3.connect(world.deployment.database)) as database:
        before = database.execute(session).fetchall()
        gate.reset()
        foreign = await open_tab(base=world.foreign, timeoutMs=400)
        for mode in ("cors", "no-cors"):
            for path in ("/refresh", "/logout"):
                await foreign.page.evaluate(
                    "([url, mode]) => fetch(url, { method: 'POST', mode, credentials: 'include' }).catch(() => {})",
                    [str(gate.url / path[1:]), mode],
                )
        after = database.execute(session).fetchall()

    assert [400] * 4 == [seen.status for seen in gate.seen if seen.method == "POST"]
    assert before == after
    status = await foreign.status()
    assert ("unreachable", "AuthUnavailable") == (status["state"], status["problem"])
    assert "AuthUnavailable" == await foreign.log_in(password=PASSWORD)
    assert [OK] == await ours.fetch()
