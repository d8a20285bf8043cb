"""`silent-refresh.js` where the browser refuses what it needs, where a page is made anew, and where there is none."""

import asyncio
import shutil
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Route

from dualtoken.client.playground.page_server import FILES
from tests.browser.conftest import OpenTab, World
from tests.browser.gate import Gate
from tests.deadline import HANGS_S

pytestmark = pytest.mark.asyncio(loop_scope="session")
OK = (200, "zs")
_THROW = "throw new DOMException('', 'SecurityError')"
NO_CHANNEL = {
    "missing": "delete globalThis.BroadcastChannel",
    "refused": f"globalThis.BroadcastChannel = class {{ constructor() {{ {_THROW} }} }}",
}
_REJECT = "() => Promise.reject(new DOMException('', 'SecurityError'))"
NO_LOCKS = {
    "request refused": f"LockManager.prototype.request = {_REJECT}",
    "query refused": f"LockManager.prototype.query = {_REJECT}",
    "both refused": f"LockManager.prototype.request = LockManager.prototype.query = {_REJECT}",
    "both throw": f"LockManager.prototype.request = LockManager.prototype.query = () => {{ {_THROW} }}",
    "missing": "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })",
}
NO_STORAGE = {
    "refused": f"Object.defineProperty(window, 'localStorage', {{ get() {{ {_THROW} }} }})",
    "null": "Object.defineProperty(window, 'localStorage', { value: null })",
    "full": "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError') }",
    "forgets": "Storage.prototype.setItem = () => {}",
}
_IN_SANDBOX = """async () => {
  const { createSession } = await import("/silent-refresh.js");
  const answer = { access_token: "x", expires_in: 60, refresh_expires_in: 60, userInfo: { username: "zs" } };
  const session = createSession({
    authUrl: "https://auth.example", origins: ["https://api.example"], timeoutMs: 300,
    fetch: async (input) => {
      if (input instanceof Request) return new Response("{}");
      const down = input.endsWith("/refresh");
      return Response.json(answer, { status: down ? 503 : 200 });
    },
  });
  const ready = (await session.ready).state;
  const { username } = await session.login("zs", "secret");
  const { status } = await session.fetch("https://api.example/");
  await session.logout();
  return { origin: String(self.origin), ready, user: username, status, ended: session.status.reason };
}"""
_RENDER = """
import { createSession } from "MODULE";
const fetched = [];
const session = createSession({
  authUrl: "https://auth.example", origins: ["https://api.example"],
  fetch: async (input) => (fetched.push(input.url, await input.text()), new Response("public")),
  onLoginRequired: () => fetched.push("told"), onChange: () => fetched.push("told"),
});
const refused = (call) => call.then(() => "done", (error) => error.name);
console.log((await session.ready).state, (await session.restore()).state, session.status.state);
console.log(await refused(session.login("zs", "x")), await refused(session.logout()), await refused(session.token()));
console.log(await refused(session.fetch("https://api.example/home")));
const streamed = new Request("https://public.example/", { method: "POST", body: "whole" });
console.log(await (await session.fetch(streamed)).text(), ...fetched);
session.close();
"""
_RENDERED = [*["restoring"] * 3, *["NoSessionHere"] * 4, "public", "https://public.example/", "whole"]


@pytest.mark.parametrize("script", NO_CHANNEL.values(), ids=list(NO_CHANNEL))
async def test_without_a_channel_each_tab_goes_on(
    open_tab: OpenTab, gate: Gate, context: BrowserContext, script: str
) -> None:
    """Where tabs cannot tell each other anything, each refreshes for itself, in turn; nobody is logged out."""
    await context.add_init_script(script)
    first = await open_tab()
    await first.log_in()
    second = await open_tab()
    await asyncio.gather(first.until_expired(), second.until_expired())
    gate.reset()

    assert [[OK] * 10] * 2 == await asyncio.gather(first.fetch(10), second.fetch(10))
    assert [200, 200] == [seen.status for seen in gate.refreshes]
    assert None is await first.log_out()
    await second.spoil_token()
    assert [(0, "LoginRequired")] == await second.fetch()


@pytest.mark.parametrize("script", NO_LOCKS.values(), ids=list(NO_LOCKS))
async def test_without_locks_a_tab_goes_on(open_tab: OpenTab, gate: Gate, context: BrowserContext, script: str) -> None:
    """Refused locks are as missing ones: log-in, refresh and log-out take turns within the tab."""
    await context.add_init_script(script)
    tab = await open_tab()

    assert "zs" == (await tab.log_in())["username"]
    await tab.until_expired()
    gate.reset()
    assert [OK] * 10 == await tab.fetch(10)
    assert [(200, None)] == [(seen.status, seen.key) for seen in gate.refreshes]
    assert None is await tab.log_out()
    assert [] == await context.cookies()


@pytest.mark.parametrize("script", NO_STORAGE.values(), ids=list(NO_STORAGE))
async def test_a_log_out_that_a_reload_undoes_says_so(
    open_tab: OpenTab, gate: Gate, context: BrowserContext, script: str
) -> None:
    """With nothing stored and the auth service down, `logout` is LogoutNotKept; once more, and it is kept."""
    await context.add_init_script(script)
    tab = await open_tab()
    await tab.log_in()
    gate.refuse = 1

    assert "LogoutNotKept" == await tab.log_out()
    assert "logged_out" == (await tab.status())["reason"]
    assert None is await tab.log_out()
    await tab.page.reload()
    await tab.create_session()
    assert ("ended", "no_session") == ((await tab.status())["state"], (await tab.status())["reason"])


async def test_a_sandboxed_frame_has_a_session_of_its_own(context: BrowserContext, world: World) -> None:
    """A frame without an origin, where locks and storage are refused: `ready` settles, and a later log-in counts."""

    async def readable(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, headers={**answer.headers, "access-control-allow-origin": "*"})

    frame = '<iframe sandbox="allow-scripts" src="/frame"></iframe>'
    await context.route("**/*.js", readable)
    await context.route("**/outside", lambda route: route.fulfill(content_type="text/html", body=frame))
    await context.route("**/frame", lambda route: route.fulfill(content_type="text/html", body="<!doctype html>"))
    page = await context.new_page()
    await page.goto(str(world.page / "outside"))
    [inside] = page.main_frame.child_frames
    found = await inside.evaluate(_IN_SANDBOX)

    assert {"origin": "null", "ready": "unreachable", "user": "zs", "status": 200, "ended": "logged_out"} == found


async def test_a_closed_session_lets_go_of_everything(open_tab: OpenTab, gate: Gate) -> None:
    """After `close`, as before a hot reload, calls are refused, waiting ones too; the next session goes on."""
    tab, other = await open_tab(), await open_tab()
    await tab.log_in()
    await tab.until_expired()
    gate.reset()
    gate.hold_answers()
    await tab.page.evaluate(
        """(url) => {
             window.old = session;
             window.waiting = session.fetch(url).catch((error) => error.name);
           }""",
        tab.home,
    )
    await gate.until_refreshes(1)
    closed = await tab.page.evaluate(
        """async (url) => {
             old.close();
             old.close();
             const calls = [old.fetch(url), old.token(), old.login("zs", "x"), old.logout()];
             const names = await Promise.all(calls.map((call) => call.catch((error) => error.name)));
             return [await waiting, ...names, (await old.restore()).state];
           }""",
        tab.home,
    )
    gate.answers.set()
    assert [*["NoSessionHere"] * 5, "ended"] == closed

    await tab.create_session()
    told = await tab.page.evaluate("() => told.length")
    assert [OK] == await tab.fetch()
    await other.log_out()
    await tab.until("session.status.reason === 'logged_out'")
    assert told + 1 == await tab.page.evaluate("() => told.length")
    assert "closed" == await tab.page.evaluate("() => old.status.reason")


async def test_a_server_that_renders_the_page_asks_nobody(world: World, tmp_path: Path) -> None:
    """Under Node, importing and creating touch nothing; calls say where they belong; and the process ends by itself."""
    del world
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node.js: install it to try the browser module where there is no browser")
    program = tmp_path / "render.mjs"
    program.write_text(_RENDER.replace("MODULE", (FILES / "silent-refresh.js").as_uri()))
    process = await asyncio.create_subprocess_exec(
        node, str(program), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await asyncio.wait_for(process.communicate(), HANGS_S)

    assert (0, b"") == (process.returncode, errors)
    assert _RENDERED == output.decode().split()
