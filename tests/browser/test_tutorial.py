"""The tutorial's page in Vue and axios, built from the packed package; and what the tutorial's interceptor costs."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect

from dualtoken.client.playground.page_server import built_with_vue, serving_page
from tests.browser.conftest import OpenPage, OpenTab, World
from tests.browser.gate import Gate
from tests.browser.npm_packages import example, installed, packed, project
from tests.browser.tabs import DEADLINE_MS
from tests.system.processes import PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="session")
expect.set_options(timeout=DEADLINE_MS)
WELCOME, TALLY = "欢迎回来，zs", "50 个请求：50 个成功，刷新 1 次"  # noqa: RUF001 - Chinese has its own commas
_NAIVE = """async ([authUrl, api, username, password]) => {
  const axios = (await import("/vendor/axios.js")).default;
  const { data } = await axios.post(`${authUrl}/login`, { username, password });
  localStorage.setItem("access_token", data.access_token);
  localStorage.setItem("refresh_token", data.refresh_token);
  window.http = axios.create({ baseURL: api });
  http.interceptors.request.use((config) => {
    config.headers.Authorization = `Bearer ${localStorage.getItem("access_token")}`;
    return config;
  });
  http.interceptors.response.use((response) => response, async (error) => {
    if (error.response?.status !== 401) throw error;
    const refresh_token = localStorage.getItem("refresh_token");
    const { data } = await axios.post(`${authUrl}/refresh`, { refresh_token });
    localStorage.setItem("access_token", data.access_token);
    localStorage.setItem("refresh_token", data.refresh_token);
    return http(error.config);
  });
}"""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the example, compiled and built in a clean project with the packed package."""
    installed()
    folder = tmp_path_factory.mktemp("vue")
    return example(project(folder, packed(folder)))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def page_url(world: World, built: Path) -> AsyncIterator[str]:
    """Serve what was built."""
    site = built_with_vue(built)
    async with serving_page(world.tutorial, auth_url=str(world.gate.url), api_url=str(world.api), site=site):
        yield f"http://localhost:{world.tutorial.getsockname()[1]}"


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(context: BrowserContext, page_url: str, gate: Gate) -> AsyncIterator[OpenPage]:
    """Open the page in a tab. In the end, no script has failed, and the policy was broken nowhere."""
    del gate
    await context.add_init_script(
        "addEventListener('securitypolicyviolation', (e) => (window.violations ??= []).push(e.violatedDirective))"
    )
    failures: list[str] = []

    async def open_page() -> Page:
        page = await context.new_page()
        page.on("pageerror", lambda error: failures.append(str(error)))
        await page.goto(page_url)
        return page

    yield open_page
    assert [] == failures
    assert [None] * len(context.pages) == [await page.evaluate("() => window.violations") for page in context.pages]


async def log_in(page: Page, password: str = PASSWORD) -> None:
    """Fill in the form and send it."""
    await page.get_by_label("用户名").fill("zs")
    await page.get_by_label("密码").fill(password)
    await page.get_by_role("button", name="登录").click()


async def test_log_in_and_get_the_home_data(open_page: OpenPage) -> None:
    """A wrong password is said; the right one shows who is back, and their data; a reload keeps them."""
    page = await open_page()
    await log_in(page, "123")
    await expect(page.get_by_role("alert")).to_have_text("用户名或密码错误")
    await log_in(page)
    await expect(page.get_by_role("heading", name=WELCOME)).to_be_visible()
    await page.get_by_role("button", name="获取首页数据").click()
    await expect(page.locator("#home")).to_be_visible()

    assert "zs@example.org" == json.loads(await page.locator("#home").inner_text())["data"]["email"]
    await page.reload()
    await expect(page.get_by_role("heading", name=WELCOME)).to_be_visible()


async def test_fifty_at_once_after_the_end_of_a_token(open_page: OpenPage, gate: Gate) -> None:
    """The token runs out; fifty requests at once are all answered, for one refresh."""
    page = await open_page()
    await log_in(page)
    await expect(page.get_by_role("heading", name="欢迎回来")).to_be_visible()
    await expect(page.locator("#left")).to_have_text("访问令牌还剩 0 秒")
    gate.reset()
    await page.get_by_role("button", name="同时发 50 个请求").click()

    await expect(page.locator("#tally")).to_have_text(TALLY)
    assert 1 == len(gate.refreshes)


async def test_two_tabs_are_one_session(open_page: OpenPage) -> None:
    """A second tab needs no log-in, and a log-out in one shows the form in both."""
    first = await open_page()
    await log_in(first)
    await expect(first.get_by_role("heading", name="欢迎回来")).to_be_visible()
    second = await open_page()
    await expect(second.get_by_role("heading", name="欢迎回来")).to_be_visible()
    await second.get_by_role("button", name="退出登录").click()

    await expect(first.get_by_role("button", name="登录")).to_be_visible()
    await expect(second.get_by_role("button", name="登录")).to_be_visible()


async def test_the_tutorials_interceptor_refreshes_for_each_request(
    open_tab: OpenTab, gate: Gate, context: BrowserContext
) -> None:
    """As the tutorial writes it, fifty requests with a dead token cost fifty refreshes."""
    vendor = installed() / "node_modules" / "axios" / "dist" / "esm" / "axios.js"
    await context.route("**/vendor/axios.js", lambda route: route.fulfill(path=vendor))
    tab = await open_tab()
    await tab.page.evaluate(_NAIVE, [str(gate.url), tab.api, "zs", PASSWORD])
    await tab.page.evaluate("() => localStorage.setItem('access_token', 'run out')")
    gate.reset()
    statuses = await tab.page.evaluate(
        "() => Promise.all(Array.from({ length: 50 }, () => http.get('/home').then((r) => r.status, (e) => e.message)))"
    )

    assert [200] * 50 == statuses
    assert 50 == len(gate.refreshes)
