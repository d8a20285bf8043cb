"""`silent-refresh.js`: who gets a token, and whose page may ask."""

import sqlite3
from contextlib import closing

import pytest

from tests.browser.conftest import OpenTab, World
from tests.browser.gate import Gate
from tests.system.processes import PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="session")
OK = (200, "zs")


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
