"""A tab with a session, driven through the module's public face."""

import asyncio
from typing import Any

from playwright.async_api import Page

from tests.deadline import HANGS_S
from tests.system.processes import PASSWORD

DEADLINE_MS = HANGS_S * 1000
STOPPED_CLOCK = """{
  const [started, wall] = [performance.now(), Date.now()];
  window.nowMs = started;
  performance.now = () => window.nowMs;
  Date.now = () => wall + window.nowMs - started;
}"""
"""A script for new documents: their clocks go on only by :meth:`Tab.advance_s`."""
HASTY_CLOCK = """{
  const now = performance.now.bind(performance);
  window.aheadMs = 0;
  performance.now = () => now() + window.aheadMs;
}"""
"""A script for new documents: :func:`until_given_up` puts their clocks forward."""

_CREATE = """async ([authUrl, api, options]) => {
  const module = await import("/silent-refresh.js");
  window.authUrl = authUrl;
  window.told = [];
  window.changed = [];
  window.spoil = null; // an Authorization that the resource service gets with its signature broken
  const send = async (input, init) => {
    if (input instanceof Request && input.headers.has("Authorization")) {
      window.lastAuthorization = input.headers.get("Authorization");
      if (window.spoil === "next") window.spoil = window.lastAuthorization;
      if (window.spoil === "all" || window.spoil === window.lastAuthorization) {
        input.headers.set("Authorization", window.lastAuthorization.slice(0, -8) + "AAAAAAAA");
      }
    }
    return fetch(input, init);
  };
  window.session = module.createSession({
    authUrl, origins: [api], fetch: send, ...options,
    onLoginRequired: (error) => window.told.push(error.reason),
    onRefresh: ({ by }) => window.changed.push(by),
  });
  await window.session.ready;
}"""
_FETCH = """async ([url, count, init]) => Promise.all(Array.from({ length: count }, async () => {
  try {
    const response = await window.session.fetch(url, init);
    const body = await response.json();
    return [response.status, body.data?.username ?? body.error ?? ""];
  } catch (error) {
    return [0, error.name];
  }
}))"""


class Tab:
    """One tab. Answers of calls are (status, user), or (0, name of the error)."""

    def __init__(self, page: Page, auth_url: str, api_url: str) -> None:
        self.page = page
        self._auth_url, self.api = auth_url, api_url
        self.home = f"{api_url}/home"
        self.lock = f"dualtoken {auth_url}"

    async def create_session(self, **options: object) -> None:
        """Call ``createSession`` and wait until it is known whether there is a session.

        Unless *options* say otherwise, a service may be as slow as this machine.
        """
        await self.page.evaluate(_CREATE, [self._auth_url, self.api, {"timeoutMs": DEADLINE_MS, **options}])

    async def log_in(self, username: str = "zs", password: str = PASSWORD) -> Any:
        """Log in; return the user, or the error's name."""
        return await self.page.evaluate(
            "([name, password]) => session.login(name, password).catch((error) => error.name)", [username, password]
        )

    async def log_out(self, **scope: object) -> Any:
        """Log out; return null, or the error's name."""
        return await self.page.evaluate("(s) => session.logout(s).then(() => null, (error) => error.name)", scope)

    async def fetch(self, count: int = 1, path: str = "/home", **init: object) -> list[tuple[int, str]]:
        """Call the resource service *count* times at once."""
        answers = await self.page.evaluate(_FETCH, [self.api + path, count, init])
        return [(status, said) for status, said in answers]

    async def status(self) -> dict[str, Any]:
        """Return what the session says of itself."""
        status: dict[str, Any] = await self.page.evaluate(
            "() => ({ ...session.status, problem: session.status.problem?.name ?? null })"
        )
        return status

    async def until(self, condition: str) -> None:
        """Return when a condition in JavaScript holds."""
        await self.page.wait_for_function(f"() => {condition}", polling=20, timeout=DEADLINE_MS)

    async def until_expired(self) -> None:
        """Return when the access token has run out."""
        await self.until("session.status.expiresInMs === 0")

    async def advance_s(self, seconds: float) -> None:
        """Let the stopped clock go on."""
        await self.page.evaluate("(seconds) => { window.nowMs += 1000 * seconds }", seconds)

    async def spoil_token(self) -> None:
        """From now on the resource service refuses the access token that this tab holds."""
        await self.page.evaluate("() => { window.spoil = window.lastAuthorization ?? 'next' }")


async def until_given_up(waiting: "asyncio.Future[Any]", *tabs: Tab) -> None:
    """Let deadlines of refreshes pass, in tabs with a hasty clock, until *waiting* is over."""
    while not waiting.done():
        for tab in tabs:
            await tab.page.evaluate("(ms) => { window.aheadMs += ms }", DEADLINE_MS)
        await asyncio.wait([waiting], timeout=0.2)
