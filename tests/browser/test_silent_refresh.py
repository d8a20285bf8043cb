"""`silent-refresh.js` in a real browser, against both services as processes: one tab."""

import re

import pytest
from playwright.async_api import BrowserContext

from tests.browser.conftest import LASTING_S, OpenTab
from tests.browser.gate import Gate
from tests.browser.tabs import STOPPED_CLOCK

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
    assert re.fullmatch("__Host-Http-refresh_[0-9a-f]{8}", cookie["name"])
    assert ("localhost", "/", True, True, "Strict") == tuple(
        cookie[name]
        for name in ("domain", "path", "httpOnly", "secure", "sameSite")  # type: ignore[literal-required] # the names are the keys
    )


async def test_fifty_over_an_expiry_cost_one_refresh(open_tab: OpenTab, gate: Gate) -> None:
    """Fifty calls at once, after the token has expired: one refresh on the wire, fifty answers."""
    tab = await open_tab()
    await tab.log_in()
    await tab.until_expired()
    gate.reset()

    assert [OK] * 50 == await tab.fetch(50)
    assert 1 == len(gate.refreshes)


@pytest.mark.usefixtures("lasting")
async def test_calls_near_expiry_wait_for_nothing(open_tab: OpenTab, gate: Gate, context: BrowserContext) -> None:
    """In the last minute of a token's life calls go on with it, while one refresh runs in the background."""
    await context.add_init_script(STOPPED_CLOCK)
    tab = await open_tab(bind=False)  # a proof would be of another hour
    await tab.log_in()
    await tab.advance_s(LASTING_S - 30)
    gate.reset()
    gate.hold_answers()

    assert [OK] * 50 == await tab.fetch(50)
    gate.answers.set()
    await tab.until(f"session.status.expiresInMs === {1000 * LASTING_S}")
    assert [200] == [seen.status for seen in gate.refreshes]


@pytest.mark.usefixtures("lasting")
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


@pytest.mark.usefixtures("lasting")
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


@pytest.mark.usefixtures("lasting")
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
