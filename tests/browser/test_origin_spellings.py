"""What Chromium makes of an origin that an operator writes, beside what the services compare."""

import pytest
from playwright.async_api import BrowserContext

from dualtoken_serving.origins import browser_origin
from tests.browser.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="session")
WRITTEN = [
    "HTTPS://App.Example:443/", "http://localhost:80", "https://app.example:08443", "https://b\xfccher.example",
    "https://B\xdcCHER.example", "https://fa\xdf.example", "https://\u65e5\u672c\u8a9e.example", "https://app.example.",
    "https://\uff41\uff50\uff50\u3002example", "http://[0:0:0:0:0:0:0:1]:8003", "https://a_b.example", "http://127.0.0.1:8003",
    "https://app.example:",
]  # fmt: skip


async def test_chromium_writes_origins_as_the_services_compare_them(world: World, context: BrowserContext) -> None:
    """Every spelling that a setting may have is what the browser sends for it."""
    page = await context.new_page()
    await page.goto(str(world.page / "health/live"))
    sent = await page.evaluate("(urls) => urls.map((url) => new URL(url).origin)", WRITTEN)

    assert sent == [browser_origin(written) for written in WRITTEN]
