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


LONG = "a" * 64
IMPOSSIBLE = [
    "", "auth.example", "/auth", "https://", "https://a..b", "https://.example", f"https://{LONG}.example",
    f"https://{'a.' * 127}example", "https://*.example", "https://auth.example:0", "https://auth.example:99999",
    "https://-auth.example", "https://auth-.example",
    "https://zs:secret@auth.example", "https://auth.example?x=1", "https://auth.example/?", "https://auth.example/#top",
    "http://auth.example", "http://10.0.0.1", "http://localhost.example", "ws://localhost", "file:///etc", "data:,x",
    "javascript:0", None, 8001, {},
]  # fmt: skip
_REFUSED = """async ([auth, origins]) => {
  const { createSession } = await import("/silent-refresh.js");
  const possible = { authUrl: "https://auth.example", origins: ["https://api.example"] };
  const attempts = [...auth.map((authUrl) => ({ authUrl })), ...origins.map((origins) => ({ origins }))];
  return attempts.map((attempt) => {
    try {
      createSession({ ...possible, ...attempt }).close();
      return ["made", attempt];
    } catch (error) {
      return [error.name, error.message];
    }
  });
}"""


async def test_addresses_that_cannot_be_are_told_at_once(open_tab: OpenTab) -> None:
    """An address that is none, carries what it must not, or exposes tokens, is refused at construction."""
    tab = await open_tab()
    lists = [[address] for address in [*IMPOSSIBLE, "https://api.example/home", "https://api.example//"]]
    refused = await tab.page.evaluate(_REFUSED, [IMPOSSIBLE, [*lists, [], "https://api.example", None]])

    assert {"TypeError"} == {name for name, _ in refused}, refused
    assert [] == [message for _, message in refused if "secret" in message]


async def test_times_that_cannot_be_are_told_at_once(open_tab: OpenTab) -> None:
    """A timer ends at once for none, and for one that is too long: each call would be cut off."""
    tab = await open_tab()
    attempts = [{name: ms} for name in ("timeoutMs", "overdueMs") for ms in (0, -1, "1000", 1e12)]
    told = await tab.page.evaluate(
        """async (attempts) => {
             const { createSession } = await import("/silent-refresh.js");
             const possible = { authUrl: "https://auth.example", origins: ["https://api.example"] };
             return attempts.map((attempt) => {
               try {
                 return createSession({ ...possible, ...attempt }).close();
               } catch (error) {
                 return `${error.name}: ${error.message}`;
               }
             });
           }""",
        attempts,
    )

    assert [f"TypeError: {name} " for attempt in attempts for name in attempt] == [text[:21] for text in told]


async def test_addresses_that_can_be_are_taken(open_tab: OpenTab) -> None:
    """A path of the auth service, a port, an IPv6 address, a trailing dot or slash, and plain http to this machine."""
    tab = await open_tab()
    auth = [
        "https://example.com/auth/", "https://auth.example:8443", "https://[2001:db8::1]", "https://auth.example.",
        "https://münchen.example", "http://localhost:8001", "http://auth.localhost", "http://127.0.0.2", "http://[::1]",
    ]  # fmt: skip
    made = await tab.page.evaluate(_REFUSED, [auth, [["https://api.example/", "https://my_api.example"]]])

    assert {"made"} == {name for name, _ in made}, made


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

    assert [403] * 4 == [seen.status for seen in gate.seen if seen.method == "POST"]
    assert before == after
    status = await foreign.status()
    assert ("unreachable", "AuthUnavailable") == (status["state"], status["problem"])
    assert "AuthUnavailable" == await foreign.log_in(password=PASSWORD)
    assert [OK] == await ours.fetch()
