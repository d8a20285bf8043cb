"""Two installations on one host, whose cookies a browser keeps in one place: a port is none of a cookie's business."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext

from tests.browser.conftest import World
from tests.system.processes import PASSWORD, deployment_in, prepare

pytestmark = pytest.mark.asyncio(loop_scope="session")
_POST = """async ([url, body]) => {
  const options = { method: "POST", credentials: "include", headers: { "Content-Type": "application/json" } };
  const answer = await fetch(url, { ...options, body: JSON.stringify(body) });
  return answer.status;
}"""


async def test_a_browser_keeps_the_cookies_of_both(world: World, browser: Browser, tmp_path: Path) -> None:
    """Log-ins and refreshes at both, in turn, leave each its session; a log-out of one ends that alone."""
    context = await browser.new_context(bypass_csp=True)  # the page's policy knows one installation
    second = deployment_in(tmp_path)
    await prepare(second)
    settings = {"AUTH_ISSUER": "http://localhost:9001", "AUTH_CORS_ORIGINS": str(world.page.origin())}
    async with second.auth_service(**settings) as other:
        page = await context.new_page()
        await page.goto(str(world.page / "health/live"))
        urls = [str(world.gate.url), str(other.url.with_host("localhost"))]

        async def post(path: str, body: dict[str, object]) -> list[int]:
            return [await page.evaluate(_POST, [f"{url}/{path}", body]) for url in urls]

        login = {"username": "zs", "password": PASSWORD, "cookie": True}
        statuses = [await post("login", login), await post("refresh", {}), await post("refresh", {})]
        names = [cookie["name"] for cookie in await context.cookies()]
        await page.evaluate(_POST, [f"{urls[0]}/logout", {}])
        after = await post("refresh", {})
    await context.close()

    assert [[200, 200]] * 3 == statuses
    assert 2 == len(set(names))
    assert {"__Host-Http-refresh_"} == {name[: len("__Host-Http-refresh_")] for name in names}
    assert [400, 200] == after


async def test_a_browser_lets_no_script_plant_the_cookie(world: World, context: BrowserContext) -> None:
    """Neither prefix can be set by a script, with whatever attributes: no page of a sibling port can fix a session."""
    page = await context.new_page()
    await page.goto(str(world.page / "health/live"))
    for name in ("__Host-Http-refresh_00000000", "__Host-Http-other"):
        await page.evaluate("(name) => { document.cookie = `${name}=planted; Secure; Path=/`; }", name)

    assert [] == await context.cookies()
