"""`silent-refresh.js`: the session of a code that the page's backend has asked for."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from playwright.async_api import BrowserContext
from yarl import URL

from tests.browser.conftest import BACKEND_SECRET, OpenTab, World
from tests.browser.gate import PREFIX, Gate
from tests.browser.tabs import Tab
from tests.documentation.blocks import block

pytestmark = pytest.mark.asyncio(loop_scope="session")
OK = (200, "zs")
EXCHANGED = block("docs/browser.md: Where your backend logs people in").text
CodeFor = Callable[..., Awaitable[str]]
_EXCHANGE = """([code, times]) => Promise.all(Array.from({ length: times }, () =>
  session.exchange(code).then(({ username }) => username, (error) => [error.name, error.reason ?? null])))"""


@pytest.fixture
def code_for(world: World) -> CodeFor:
    """Ask for a code as a backend does, for the page unless another origin is given."""

    async def code_for(username: str, origin: URL | None = None) -> str:
        headers = {"Authorization": f"Bearer {BACKEND_SECRET}"}
        async with aiohttp.ClientSession(world.gate.target.origin(), headers=headers) as http:
            users = (await (await http.get("/users")).json())["users"]
            [sub] = [user["sub"] for user in users if user["username"] == username]
            opening = {"sub": sub, "amr": ["hwk"], "origin": str((origin or world.page).origin())}
            answer = await http.post("/sessions", json=opening)
            return str((await answer.json())["code"])

    return code_for


async def exchange(tab: Tab, code: str, times: int = 1) -> list[Any]:
    """Call ``exchange`` so many times at once; return the users' names, or the errors' and their reasons."""
    answers: list[Any] = await tab.page.evaluate(_EXCHANGE, [code, times])
    return answers


def exchanges(gate: Gate) -> list[int]:
    """Return how each POST to /token was answered."""
    return [seen.status for seen in gate.seen if (seen.method, seen.path) == ("POST", "/token")]


async def test_a_code_opens_a_session(open_tab: OpenTab, code_for: CodeFor, context: BrowserContext) -> None:
    """As a log-in: bound to this browser, renewed by its cookie, and of the other tabs, too."""
    first, second = await open_tab(), await open_tab()

    assert ["zs"] == await exchange(first, await code_for("zs"))
    status = await first.status()
    assert ("active", "zs@example.org", True) == (status["state"], status["user"]["email"], status["bound"])
    [cookie] = await context.cookies()
    assert (True, "Strict") == (cookie["httpOnly"], cookie["sameSite"])
    await second.until("session.status.state === 'active'")
    assert [OK] == await second.fetch()
    await first.until_expired()
    assert [OK] * 5 == await first.fetch(5)


async def test_a_code_in_the_address_is_presented_once(open_tab: OpenTab, code_for: CodeFor, gate: Gate) -> None:
    """By the lines of the page: a reload finds the session, and no code."""
    lines = f"async () => {{ const showLogin = (error) => {{ throw error; }}; {EXCHANGED} }}"
    tab = await open_tab()
    await tab.page.evaluate("(code) => { location.hash = `code=${code}`; }", await code_for("zs"))
    await tab.page.evaluate(lines)
    await tab.page.reload()
    await tab.create_session()
    await tab.page.evaluate(lines)

    assert [200] == exchanges(gate)
    assert [OK] == await tab.fetch()


async def test_a_code_takes_the_place_of_a_session(open_tab: OpenTab, code_for: CodeFor) -> None:
    """In all tabs: whoever was logged in is so no more."""
    first, second = await open_tab(), await open_tab()
    await first.log_in()
    await second.until("session.status.state === 'active'")

    assert ["mk"] == await exchange(second, await code_for("mk"))
    await first.until("session.status.user?.username === 'mk'")
    assert [(200, "mk")] == await first.fetch()


async def test_a_code_that_is_asked_for_twice_at_once_is_sent_once(
    open_tab: OpenTab, code_for: CodeFor, gate: Gate
) -> None:
    """As components do that are mounted twice: sent again, it would end its session."""
    tab = await open_tab()

    assert ["zs"] * 3 == await exchange(tab, await code_for("zs"), times=3)
    assert [200] == exchanges(gate)
    assert [OK] == await tab.fetch()


async def test_a_refused_code_says_why(open_tab: OpenTab, code_for: CodeFor, world: World) -> None:
    """The session that was there goes on."""
    tab = await open_tab()
    await tab.log_in()
    elsewhere = await code_for("mk", URL(f"http://localhost:{world.tutorial.getsockname()[1]}"))

    assert [["InvalidCredentials", "origin"]] == await exchange(tab, elsewhere)
    assert [["InvalidCredentials", "malformed"]] == await exchange(tab, "dtc1_AAAA")
    await tab.until_expired()
    assert [OK] == await tab.fetch()


async def test_a_lost_answer_costs_the_code(open_tab: OpenTab, code_for: CodeFor, gate: Gate) -> None:
    """Nobody knows whether it was spent: tried again it says so, and another one is good."""
    tab, code = await open_tab(), await code_for("zs")
    gate.refuse = 1
    assert [["AuthUnavailable", None]] == await exchange(tab, code)
    gate.lose = 2  # the browser itself may send it once more
    assert [["AuthUnavailable", None]] == await exchange(tab, code)
    gate.reset()

    assert [["InvalidCredentials", "replayed"]] == await exchange(tab, code)
    assert ["zs"] == await exchange(tab, await code_for("zs"))
    assert [OK] == await tab.fetch()


async def test_where_no_proof_is_taken_the_code_is_not_spent_by_it(
    context: BrowserContext, world: World, code_for: CodeFor, gate: Gate
) -> None:
    """The session is open, and unbound, as after a log-in."""
    tab = Tab(await context.new_page(), f"{gate.url}/{PREFIX}", str(world.api))
    await tab.page.goto(str(world.page / "health/live"))
    await tab.create_session()

    assert ["zs"] == await exchange(tab, await code_for("zs"))
    assert False is (await tab.status())["bound"]
    assert [OK] == await tab.fetch()
