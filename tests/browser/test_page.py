"""The page, as somebody uses it who has never seen it."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.conftest import OpenPage, World
from tests.browser.gate import Gate
from tests.browser.tabs import DEADLINE_MS
from tests.system.processes import PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="session")
expect.set_options(timeout=DEADLINE_MS)
_WATCH_POLICY = (
    "addEventListener('securitypolicyviolation', (e) => (window.violations ??= []).push(e.violatedDirective))"
)
_TOKEN_LIKE = ("dtr1_", "eyJ")


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(context: BrowserContext, world: World, gate: Gate) -> AsyncIterator[OpenPage]:
    """Open the page in a tab. In the end, no script has failed and the policy was broken nowhere."""
    del gate
    await context.add_init_script(_WATCH_POLICY)
    failures: list[str] = []

    async def open_page(*, until: str = "ended") -> Page:
        page = await context.new_page()
        page.on("pageerror", lambda error: failures.append(str(error)))
        await page.goto(str(world.page))
        await in_state(page, until)
        return page

    yield open_page
    assert [] == failures
    assert [None] * len(context.pages) == [await page.evaluate("() => window.violations") for page in context.pages]


async def in_state(page: Page, state: str) -> None:
    """Return when the page shows that state of the session."""
    await expect(page.locator("html")).to_have_attribute("data-state", state)


async def log_in(page: Page, password: str = PASSWORD) -> None:
    """Fill in the form and send it."""
    await page.get_by_label("User name").fill("zs")
    await page.get_by_label("Password", exact=True).fill(password)
    await page.get_by_role("button", name="Log in").click()


async def opened(open_page: OpenPage) -> Page:
    """Return a page that is logged in."""
    page = await open_page()
    await log_in(page)
    await in_state(page, "active")
    return page


async def test_log_in_and_get_home_data(open_page: OpenPage) -> None:
    """Who logs in sees who they are, and gets their data."""
    page = await opened(open_page)
    await page.get_by_role("button", name="Get my home data").click()

    await expect(page.locator("#summary")).to_contain_text("1 of 1 answered")
    assert "zs@example.org" == json.loads(await page.locator("#answer").inner_text())["data"]["email"]
    await expect(page.locator("#user-name")).to_have_text("zs")


async def test_a_wrong_password_is_said(open_page: OpenPage) -> None:
    """A wrong password is said beside the form; the form stays, and the password goes."""
    page = await open_page()
    await log_in(page, "not the password")

    await expect(page.locator("#login-problem")).to_have_text("User name or password is wrong.")
    await expect(page.get_by_label("Password", exact=True)).to_have_value("")


@pytest.mark.usefixtures("lasting")
async def test_fifty_at_once_show_one_refresh(open_page: OpenPage, gate: Gate) -> None:
    """Fifty requests with a refused token: fifty 401s and replays on the timeline, across them the one refresh."""
    page = await opened(open_page)
    await page.get_by_role("button", name="Expire the access token now").click()
    gate.reset()
    await page.get_by_role("button", name="Fire 50 at once").click()

    await expect(page.locator("#summary")).to_have_text("50 of 50 answered · 1 refresh · 50 × 401, replayed")  # noqa: RUF001 - a multiplication sign, as on the page
    assert 1 == len(gate.refreshes)
    timeline = page.locator("#timeline")
    assert [50, 50, 1] == [await timeline.locator(f"rect.{kind}").count() for kind in ("ok", "refused", "refresh")]


async def test_fifty_over_an_expiry_wait_for_one_refresh(open_page: OpenPage, gate: Gate) -> None:
    """Fifty requests after the token has run out: all wait for one refresh, and no request is refused."""
    page = await opened(open_page)
    await expect(page.locator("#access-left")).to_have_text("0 s")
    gate.reset()
    await page.get_by_role("button", name="Fire 50 at once").click()

    await expect(page.locator("#summary")).to_have_text("50 of 50 answered · 1 refresh")
    assert 1 == len(gate.refreshes)
    await expect(page.locator("#timeline text.refresh")).to_contain_text("50 wait for it")


async def test_a_stolen_token_ends_its_session_alone(open_page: OpenPage) -> None:
    """The copy of a spent token ends the session for thief and owner; the page's own session goes on."""
    page = await opened(open_page)
    await page.get_by_label("Your password").fill(PASSWORD)
    await page.get_by_role("button", name="Steal the refresh token").click()
    await expect(page.locator("#thief-steps .end")).to_be_visible()

    assert ["200", "200", "400 reused", "400 revoked", "401 revoked"] == await page.locator(
        "#thief-steps .outcome"
    ).all_inner_texts()
    await page.get_by_role("button", name="Get my home data").click()
    await expect(page.locator("#summary")).to_contain_text("1 of 1 answered")


async def test_tabs_are_logged_in_and_out_together(open_page: OpenPage) -> None:
    """A second tab needs no log-in; log-out everywhere in one shows the form in both."""
    first = await opened(open_page)
    second = await open_page(until="active")
    await second.get_by_role("button", name="Log out everywhere").click()
    await in_state(first, "ended")

    await expect(first.locator("#state")).to_have_text("logged out")
    await expect(second.get_by_role("button", name="Log in")).to_be_visible()


async def test_an_auth_service_that_is_down_is_said(open_page: OpenPage, gate: Gate) -> None:
    """The page says that nobody answers, and that nothing is lost; trying again restores the session."""
    page = await opened(open_page)
    gate.refuse = 1_000
    await page.reload()
    await in_state(page, "unreachable")

    await expect(page.get_by_role("alert").filter(has_text="Nothing is lost")).to_be_visible()
    gate.refuse = 0
    await page.get_by_role("button", name="Try again").click()
    await in_state(page, "active")
    await expect(page.locator("#banner")).to_be_hidden()


async def test_no_token_lies_where_scripts_find_it(open_page: OpenPage, context: BrowserContext) -> None:
    """Neither localStorage, sessionStorage, document.cookie nor the page itself holds a token."""
    page = await opened(open_page)
    await page.get_by_role("button", name="Get my home data").click()
    await expect(page.locator("#summary")).not_to_be_empty()
    found = await page.evaluate(
        "() => [document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage),"
        " document.documentElement.outerHTML].join()"
    )

    assert [] == [mark for mark in _TOKEN_LIKE if mark in found]
    [cookie] = await context.cookies()
    assert cookie["name"].startswith("__Host-Http-refresh_")


async def test_the_policy_lets_nothing_foreign_in(open_page: OpenPage, context: BrowserContext, world: World) -> None:
    """The page may run its own scripts and call both services; inline scripts, other hosts and frames are shut out."""
    response = await context.request.get(str(world.page))
    page = await open_page()
    blocked = await page.evaluate(
        """async () => {
             const violated = (act) => new Promise((resolve) => {
               addEventListener("securitypolicyviolation", (event) => resolve(event.violatedDirective), { once: true });
               act();
             });
             const style = document.createElement("style");
             style.textContent = "body { display: none }";
             const image = new Image();
             const refused = [
               await violated(() => fetch("http://127.0.0.1:9/").catch(() => {})),
               await violated(() => document.body.append(style)),
               await violated(() => { image.src = "http://127.0.0.1:9/x.png"; }),
               await violated(() => { try { document.body.innerHTML = "<p>"; } catch {} }),
             ];
             window.violations = undefined;
             return refused;
           }"""
    )

    assert ["connect-src", "style-src-elem", "img-src", "require-trusted-types-for"] == blocked
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


async def test_the_page_speaks_chinese(open_page: OpenPage) -> None:
    """The switch changes every text and the language of the document, and outlives a reload."""
    page = await opened(open_page)
    await page.get_by_role("button", name="中文").click()

    await expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    await expect(page.get_by_role("button", name="同时发出 50 个请求")).to_be_visible()
    await page.reload()
    await in_state(page, "active")
    await expect(page.locator("#state")).to_have_text("已登录")


async def test_both_languages_say_the_same(open_page: OpenPage) -> None:
    """Every text exists in both languages, and every text that the page asks for exists."""
    page = await open_page()
    keys, missing = await page.evaluate(
        """async () => {
             const { WORDS } = await import("/words.js");
             const paths = (words, at = "") => Object.entries(words).flatMap(([key, value]) =>
               typeof value === "object" ? paths(value, `${at}${key}.`) : [`${at}${key} ${typeof value}`]).sort();
             const asked = [...document.querySelectorAll("[data-t], [data-t-label]")]
               .map((node) => node.dataset.t ?? node.dataset.tLabel);
             return [[paths(WORDS.en), paths(WORDS.zh)], asked.filter((key) => !(key in WORDS.en))];
           }"""
    )

    assert keys[0] == keys[1]
    assert [] == missing


async def test_the_keyboard_is_enough(open_page: OpenPage) -> None:
    """Log-in, requests and log-out need no mouse, and the focus is never lost."""
    page = await open_page()
    await page.get_by_label("User name").focus()
    await page.keyboard.type("zs")
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await in_state(page, "active")

    await expect(page.get_by_role("button", name="Get my home data")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#summary")).to_contain_text("1 of 1 answered")
    await expect(page.get_by_role("button", name="Get my home data")).to_be_focused()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_is_accessible(open_page: OpenPage, scheme: str, width: int, language: str) -> None:
    """axe-core finds nothing, before the log-in and after a burst and a theft, in every colour, width and language."""
    page = await open_page()
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type] # one of its literals
    await page.set_viewport_size({"width": width, "height": 800})
    found = [await violations(page)]
    await log_in(page)
    await in_state(page, "active")
    await page.get_by_role("button", name="Fire 50 at once").click()
    await expect(page.locator("#summary")).to_contain_text("50 of 50 answered")
    await page.get_by_label("Your password").fill(PASSWORD)
    await page.get_by_role("button", name="Steal the refresh token").click()
    await expect(page.locator("#thief-steps .end")).to_be_visible()
    await page.locator(f"[data-language={language}]").click()
    found.append(await violations(page))

    assert [[], []] == found
    assert await page.evaluate("() => document.documentElement.scrollWidth") <= width


async def violations(page: Page) -> list[tuple[str, str]]:
    """Return what axe-core finds: the rule, and the first element that breaks it."""
    results = await Axe().run(page)
    return [(found["id"], found["nodes"][0]["html"]) for found in results.response["violations"]]
