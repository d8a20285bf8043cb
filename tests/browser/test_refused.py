"""`silent-refresh.js` against services that refuse tokens: the fresh ones, too."""

import asyncio
from typing import Any

import pytest
from playwright.async_api import BrowserContext

from tests.browser.conftest import ACCESS_TTL_S, OpenTab, World
from tests.browser.gate import Gate
from tests.browser.tabs import STOPPED_CLOCK, Tab

pytestmark = pytest.mark.asyncio(loop_scope="session")
OK, REFUSED = (200, "zs"), (401, "invalid_token")
_SERVICE = """async ([authUrl, api, lifeS]) => {
  const { createSession } = await import("/silent-refresh.js");
  window.sent = [];
  const answer = (request) => { RULE };
  window.own = createSession({ authUrl, origins: [api], fetch: async (input, init) => {
    if (input instanceof Request) {
      window.sent.push(input.headers.get("Authorization"));
      return new Response("{}", { status: answer(input) });
    }
    const answered = await fetch(input, init);
    return Response.json({ ...(await answered.json()), expires_in: lifeS }, { status: answered.status });
  } });
  await own.ready;
}"""


async def with_service(tab: Tab, gate: Gate, rule: str, *, life_s: int = ACCESS_TTL_S) -> None:
    """Give the tab a second session, whose resource service answers by a rule in JavaScript: a status."""
    await tab.page.evaluate(_SERVICE.replace("RULE", rule), [str(gate.url), tab.api, life_s])
    gate.reset()


async def statuses(tab: Tab, *paths: str) -> list[Any]:
    """Call one path after the other."""
    call = "async (url) => (await own.fetch(url)).status"
    return [await tab.page.evaluate(call, tab.api + path) for path in paths]


async def test_a_service_that_refuses_every_token_costs_one_refresh(
    open_tab: OpenTab, gate: Gate, context: BrowserContext
) -> None:
    """Thirty calls at once and thirty in a row that all are refused: one refresh, and everybody's own 401."""
    await context.add_init_script(STOPPED_CLOCK)
    tab = await open_tab()
    told: list[str] = []
    tab.page.on("console", lambda message: told.append(message.text) if "refuses tokens" in message.text else None)
    await tab.log_in()
    await tab.page.evaluate("() => { window.spoil = 'all' }")
    gate.reset()

    assert [REFUSED] * 30 == await tab.fetch(30)
    for _ in range(30):
        assert [REFUSED] == await tab.fetch()
    assert 1 == len(gate.refreshes)
    assert 1 == len(told)
    assert "Bearer" not in told[0]


async def test_tabs_share_what_a_service_refuses(open_tab: OpenTab, gate: Gate, context: BrowserContext) -> None:
    """Three tabs that call such a service cost one refresh in all: they know what the fresh token was fetched for."""
    await context.add_init_script(STOPPED_CLOCK)
    tabs = [await open_tab() for _ in range(3)]
    await tabs[0].log_in()
    await asyncio.gather(*(tab.until("session.status.state === 'active'") for tab in tabs))
    for tab in tabs:
        await tab.page.evaluate("() => { window.spoil = 'all' }")
    gate.reset()

    assert [[REFUSED] * 10] * 3 == await asyncio.gather(*(tab.fetch(10) for tab in tabs))
    assert [[REFUSED]] * 3 == [await tab.fetch() for tab in tabs]
    assert 1 == len(gate.refreshes)


@pytest.mark.usefixtures("brief")
async def test_a_service_that_comes_to_its_senses_is_served_again(
    open_tab: OpenTab, gate: Gate, context: BrowserContext, world: World
) -> None:
    """A token that has run out is renewed although fresh ones are refused; and when one is taken, all is as before."""
    await context.add_init_script(STOPPED_CLOCK)
    tab = await open_tab()
    await tab.log_in()
    await tab.page.evaluate("() => { window.spoil = 'all' }")
    gate.reset()

    assert [REFUSED] * 3 == await tab.fetch(3)
    gate.renewing = world.lasting
    await tab.advance_s(ACCESS_TTL_S + 1)
    assert [REFUSED] * 3 == await tab.fetch(3)
    assert 2 == len(gate.refreshes)
    await tab.page.evaluate("() => { window.spoil = null }")
    assert [OK] * 3 == await tab.fetch(3)
    assert 2 == len(gate.refreshes)


async def test_the_pause_grows_to_a_minute(open_tab: OpenTab, gate: Gate, context: BrowserContext) -> None:
    """To a service that goes on refusing fresh tokens, the next refresh comes after 10, 20, 40, 60 and 60 seconds."""
    await context.add_init_script(STOPPED_CLOCK)
    tab = await open_tab()
    await tab.log_in()
    await with_service(tab, gate, "return 401", life_s=3_600)
    renewed = await tab.page.evaluate(
        """async (api) => {
             const seconds = [];
             for (let second = 0; second < 200; second += 5) {
               const before = new Set(window.sent).size;
               await own.fetch(api + "/x");
               if (new Set(window.sent).size > Math.max(before, 1)) seconds.push(second);
               window.nowMs += 5_000;
             }
             return seconds;
           }""",
        tab.api,
    )

    assert [0, 10, 30, 70, 130, 190] == renewed
    assert 6 == len(gate.refreshes)


async def test_a_401_that_means_403_starts_no_storm(open_tab: OpenTab, gate: Gate, context: BrowserContext) -> None:
    """One path of a service that always answers 401, among others that are fine, costs one refresh, not one a call."""
    await context.add_init_script(STOPPED_CLOCK)
    tab = await open_tab()
    await tab.log_in()
    await with_service(tab, gate, 'return request.url.endsWith("/forbidden") ? 401 : 200')

    assert [401, 200] * 10 == await statuses(tab, *["/forbidden", "/fine"] * 10)
    assert 1 == len(gate.refreshes)


async def test_other_services_are_not_concerned(open_tab: OpenTab, gate: Gate, context: BrowserContext) -> None:
    """That one origin refuses every token keeps no other from having its stale token renewed."""
    await context.add_init_script(STOPPED_CLOCK)
    tab = await open_tab()
    await tab.log_in()
    await tab.page.evaluate(
        """async ([authUrl, api]) => {
             const { createSession } = await import("/silent-refresh.js");
             const origins = [api, "https://deaf.example"];
             window.own = createSession({ authUrl, origins, fetch: async (input, init) => {
               if (!(input instanceof Request)) return fetch(input, init);
               const token = input.headers.get("Authorization");
               if (input.url.startsWith("https://deaf.example")) return new Response("{}", { status: 401 });
               const stale = window.revoked === token;
               return new Response("{}", { status: stale ? 401 : 200 });
             } });
             await own.ready;
             await own.fetch("https://deaf.example/");
             window.revoked = `Bearer ${await own.token()}`;
           }""",
        [str(gate.url), tab.api],
    )
    gate.reset()

    assert [200, 200] == await statuses(tab, "/a", "/b")
    assert 1 == len(gate.refreshes)


async def test_a_token_that_runs_out_on_its_way_costs_a_repetition(
    open_tab: OpenTab, gate: Gate, context: BrowserContext
) -> None:
    """Each 401 that met another token is replayed, three times at most; then it is the caller's."""
    await context.add_init_script(STOPPED_CLOCK)
    tab = await open_tab()
    await tab.log_in()
    slow = f"window.nowMs += {1000 * (ACCESS_TTL_S + 1)};"
    await with_service(tab, gate, f"{slow} return sent.length < 3 ? 401 : 200")

    assert [200] == await statuses(tab, "/slow")
    assert (3, 2) == (await tab.page.evaluate("() => new Set(sent).size"), len(gate.refreshes))
    await with_service(tab, gate, f"{slow} return 401")
    assert [401] == await statuses(tab, "/slow")
    assert (4, 3) == (await tab.page.evaluate("() => new Set(sent).size"), len(gate.refreshes))


async def test_a_token_for_others_is_told_once_refused(open_tab: OpenTab, gate: Gate, context: BrowserContext) -> None:
    """`token` gives another one for a refused one, and the refused one itself where a refresh would not help."""
    await context.add_init_script(STOPPED_CLOCK)
    tab = await open_tab()
    await tab.log_in()
    gate.reset()
    tokens = await tab.page.evaluate(
        """async () => {
             const first = await session.token();
             const second = await session.token({ rejected: first });
             const late = await session.token({ rejected: first });
             const third = await session.token({ rejected: second });
             return [first, second, late, third];
           }"""
    )

    assert [tokens[0], tokens[1], tokens[1], tokens[1]] == tokens
    assert tokens[0] != tokens[1]
    assert 1 == len(gate.refreshes)
