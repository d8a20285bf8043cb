"""`silent-refresh.js`: what a message on the channel may do. Any script of the origin can send one."""

import asyncio
from typing import Any

import aiohttp
import pytest
from playwright.async_api import BrowserContext

from tests.browser.conftest import OpenTab, World
from tests.browser.gate import Gate
from tests.browser.tabs import Tab
from tests.system.processes import PASSWORD

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("lasting")]
OK = (200, "zs")
_SEND = """async ([name, messages]) => {
  const channel = new BroadcastChannel(name);
  for (const message of messages) channel.postMessage(message);
  // Messages of one channel arrive in their order: when the last is here, the session has seen them all.
  const seen = new Promise((resolve) => {
    new BroadcastChannel(name).onmessage = ({ data }) => data === "end" && resolve();
  });
  channel.postMessage("end");
  await seen;
  channel.close();
}"""
JUNK: list[Any] = [
    None, 5, "login", [], {}, {"kind": None}, {"kind": "constructor"}, {"kind": "__proto__"}, {"kind": "toString"},
    {"kind": "refreshed"}, {"kind": "refreshed", "accessToken": 5, "id": {}}, {"kind": "wanted"},
    {"kind": "refreshed", "accessToken": "a.b.c", "id": "x", "life": 9e9, "renewAfter": 9e9, "refreshLife": 9e9},
]  # fmt: skip


async def send(tab: Tab, *messages: object) -> None:
    """Post messages as another script of this origin would; return when the session has seen them."""
    await tab.page.evaluate(_SEND, [tab.lock, list(messages)])


async def token_of(world: World, username: str) -> str:
    """Return an access token of somebody's own session."""
    async with (
        aiohttp.ClientSession() as http,
        http.post(world.gate.url / "login", json={"username": username, "password": PASSWORD}) as answer,
    ):
        token: str = (await answer.json())["access_token"]
    return token


def claim(kind: str, token: str) -> dict[str, object]:
    """Return a message that hands over a token which lives for ever, with every member that one may have."""
    left = {"life": 9e9, "renewAfter": 9e9, "refreshLife": 9e9, "leftMs": 9e9, "renewLeftMs": 9e9, "refreshLeftMs": 9e9}
    user = {"username": "mk", "email": "mk@example.org"}
    return {"kind": kind, "accessToken": token, "id": "forged", "user": user, "scope": "", "sid": "forged", **left}


@pytest.mark.parametrize("kind", ["login", "refreshed"])
async def test_no_message_makes_the_page_somebody_else(open_tab: OpenTab, world: World, kind: str) -> None:
    """A token of another session, told on the channel, is not taken: who is logged in, the auth service says alone."""
    tab = await open_tab()
    await tab.log_in()
    await send(tab, claim(kind, await token_of(world, "mk")))
    await tab.until("session.status.state === 'active'")

    assert [OK] * 3 == await tab.fetch(3)
    assert "zs" == (await tab.status())["user"]["username"]


@pytest.mark.parametrize("kind", ["login", "refreshed"])
async def test_no_message_logs_anybody_in(open_tab: OpenTab, world: World, kind: str) -> None:
    """Where there is no session, none comes by a message."""
    tab = await open_tab()
    await send(tab, claim(kind, await token_of(world, "mk")))
    await tab.until("session.status.state === 'ended'")

    assert [(0, "LoginRequired")] == await tab.fetch()
    assert None is (await tab.status())["user"]


async def test_a_forged_token_of_this_session_costs_a_refresh(open_tab: OpenTab, gate: Gate) -> None:
    """A token that claims to be of this session, and is none, is refused by the resource service and renewed."""
    tab = await open_tab()
    await tab.log_in()
    token = await tab.page.evaluate("() => session.token()")
    await send(tab, claim("refreshed", token[:-8] + "AAAAAAAA"))
    gate.reset()

    assert [OK] * 10 == await tab.fetch(10)
    assert len(gate.refreshes) <= 1


async def test_junk_is_nothing(open_tab: OpenTab, gate: Gate) -> None:
    """Messages without sense, or of another release of the module, change nothing and break nothing."""
    failures: list[str] = []
    tab = await open_tab()
    tab.page.on("pageerror", lambda error: failures.append(str(error)))
    await tab.log_in()
    gate.reset()
    await send(tab, *JUNK)

    assert [OK] * 3 == await tab.fetch(3)
    assert [] == failures
    assert [] == gate.refreshes


@pytest.mark.parametrize("reason", [None, ["expired"], {"toString": 1}, {"toString": None, "valueOf": None}])
async def test_the_reason_of_an_end_is_a_text(open_tab: OpenTab, reason: object) -> None:
    """Whatever a message says: pages compare it, and show what they have for it."""
    tab = await open_tab()
    await tab.log_in()
    await send(tab, {"kind": "ended", "reason": reason})

    assert ("ended", "revoked") == ((await tab.status())["state"], (await tab.status())["reason"])


async def test_an_end_of_another_session_is_none_of_ours(open_tab: OpenTab) -> None:
    """A tab that was frozen tells of the end of a session that others have left long ago: theirs goes on."""
    tab = await open_tab()
    await tab.log_in()
    await send(tab, {"kind": "ended", "reason": "revoked", "sid": "another"})
    assert [OK] == await tab.fetch()

    await send(tab, {"kind": "ended", "reason": "<b>call 0900", "sid": None})
    assert ("ended", "revoked") == ((await tab.status())["state"], (await tab.status())["reason"])


async def test_a_log_in_hands_no_token_over(open_tab: OpenTab, gate: Gate) -> None:
    """Other tabs learn that somebody has logged in, and ask the auth service who."""
    first, second = await open_tab(), await open_tab()
    await second.page.evaluate(
        """(name) => {
             window.heard = [];
             new BroadcastChannel(name).onmessage = ({ data }) => window.heard.push(data);
           }""",
        second.lock,
    )
    gate.reset()
    await first.log_in()
    await second.until("session.status.state === 'active'")

    [login, *_] = await second.page.evaluate("() => window.heard")
    assert {"kind", "sid"} == set(login)
    assert 1 == len(gate.refreshes)
    assert [OK] == await second.fetch()


async def test_tabs_settle_after_a_log_in(open_tab: OpenTab, gate: Gate, context: BrowserContext) -> None:
    """After somebody else has logged in, each other tab asks once, and then there is silence."""
    tabs = [await open_tab() for _ in range(3)]
    await tabs[0].log_in()
    await asyncio.gather(*(tab.until("session.status.state === 'active'") for tab in tabs))
    gate.reset()
    await tabs[1].log_in("mk")
    await asyncio.gather(*(tab.until("session.status.user?.username === 'mk'") for tab in tabs))
    await asyncio.gather(*(tab.until("!session.status.refreshing") for tab in tabs))
    await send(tabs[0])

    assert [[(200, "mk")]] * 3 == [await tab.fetch() for tab in tabs]
    assert len(gate.refreshes) <= 2
    assert 1 == len(await context.cookies())
