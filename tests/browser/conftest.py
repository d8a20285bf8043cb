"""Chromium, both services as processes, the page, and a gate in front of the auth service."""

import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright
from yarl import URL

from dualtoken.client.playground.page_server import bind, serving_page
from tests.browser.gate import Gate, open_gate
from tests.browser.tabs import DEADLINE_MS, Tab
from tests.system.processes import PASSWORD, Deployment, deployment_in, prepare, succeed

ACCESS_TTL_S = 4
LASTING_S = 3600
BACKEND_SECRET = "b" * 32
_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
OpenTab = Callable[..., Awaitable[Tab]]
OpenPage = Callable[..., Awaitable[Page]]


@dataclass(frozen=True)
class World:
    """Where everything is. ``page`` may call both services; ``foreign`` serves the same files and may call none.

    ``tutorial`` may call both, too: a listener that serves nothing yet. ``brief`` and ``lasting`` are one auth service;
    access tokens of the one live for 4 s, of the other for an hour.
    """

    page: URL
    foreign: URL
    tutorial: socket.socket
    api: URL
    brief: URL
    lasting: URL
    gate: Gate
    deployment: Deployment


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path: ``$CHROMIUM``, or where Debian puts it."""
    path = os.environ.get("CHROMIUM") or "/usr/bin/chromium"
    if not Path(path).exists():
        pytest.skip(f"no Chromium at {path}: install it, or set CHROMIUM")
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """A browser for all tests; each has a profile of its own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The services, with access tokens of 4 s and of an hour, two users, the page, and the same where it may not be."""
    del chromium  # without a browser nothing needs to start
    deployment = deployment_in(tmp_path_factory.mktemp("deployment"))
    await prepare(deployment)
    add = ("users", "add", "mk", "--email", "mk@example.org", "--scope", "read write")
    await succeed("auth_service", *add, settings=deployment.auth, stdin=f"{PASSWORD}\n")
    listeners = [bind("127.0.0.1", 0) for _ in range(3)]
    page, foreign, tutorial = (URL(f"http://localhost:{listener.getsockname()[1]}") for listener in listeners)
    origin = f"{page.origin()} {tutorial.origin()}"
    secret = "s" * 32
    async with AsyncExitStack() as stack:
        gate = await stack.enter_async_context(open_gate())
        auth, lasting = [
            await stack.enter_async_context(
                deployment.auth_service(
                    AUTH_ACCESS_TTL_S=life_s,
                    AUTH_CORS_ORIGINS=origin,
                    AUTH_SERVICE_SECRET=secret,
                    AUTH_BACKEND_SECRET=BACKEND_SECRET,
                    AUTH_DPOP_HTU=gate.url,
                )
            )
            for life_s in (ACCESS_TTL_S, LASTING_S)
        ]
        resource = await stack.enter_async_context(
            deployment.resource_service(
                RESOURCE_LEEWAY_S=0, RESOURCE_CORS_ORIGINS=origin, RESOURCE_SERVICE_SECRET=secret,
                RESOURCE_REVOCATIONS_URL=auth.url / "revocations",
            )
        )  # fmt: skip
        api = resource.url.with_host("localhost")
        stack.enter_context(listeners[2])
        for listener in listeners[:2]:
            stack.enter_context(listener)
            await stack.enter_async_context(serving_page(listener, auth_url=str(gate.url), api_url=str(api)))
        yield World(page, foreign, listeners[2], api, auth.url, lasting.url, gate, deployment)


@pytest.fixture
def gate(world: World) -> Gate:
    """The gate, with nothing seen yet and everything let through.

    Access tokens run out after 4 s. Those of refreshes after a reset live for an hour: they are to be there when they
    are looked at, however slow the machine.
    """
    world.gate.reset()
    world.gate.target = world.gate.renewing = world.brief
    world.gate.settled = world.lasting
    return world.gate


@pytest.fixture
def lasting(world: World, gate: Gate) -> None:
    """Access tokens of an hour, for a test in which none must run out."""
    gate.target = gate.renewing = world.lasting


@pytest.fixture
def brief(world: World, gate: Gate) -> None:
    """Access tokens of 4 s to the end, for a test in which several run out."""
    gate.settled = world.brief


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A profile of its own: cookies, localStorage, tabs."""
    context = await browser.new_context()
    context.set_default_timeout(DEADLINE_MS)
    yield context
    await context.close()


@pytest.fixture
def open_tab(context: BrowserContext, world: World, gate: Gate) -> OpenTab:
    """Open a tab that holds a session and nothing else; options go to ``createSession``."""

    async def open_tab(*, base: URL | None = None, **options: object) -> Tab:
        tab = Tab(await context.new_page(), str(gate.url), str(world.api))
        await tab.page.goto(str((base or world.page) / "health/live"))  # a document without scripts of its own
        await tab.create_session(**options)
        return tab

    return open_tab
