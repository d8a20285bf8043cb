"""The load test's report, in a real browser."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from dualtoken.client.loadtest.report import render
from tests.client.loadtest.results import result
from tests.documentation.blocks import block
from tests.documentation.shell import run

# How much ink of the data each chart shows: paths of lines and bars that have a length.
INK = """() => Object.fromEntries([...document.querySelectorAll(".js-plotly-plot")].map((chart) => [chart.id,
  [...chart.querySelectorAll(".scatterlayer path.js-line, .barlayer path")]
    .filter((path) => path.getTotalLength() > 1).length]))"""
COLOURS = """() => [getComputedStyle(document.body).backgroundColor,
  getComputedStyle(document.querySelector(".js-plotly-plot .xtick text")).fill]"""
OVERFLOW = """() => [...document.querySelectorAll(".js-plotly-plot svg.main-svg")]
  .filter((svg) => svg.getBoundingClientRect().right > svg.closest("section").getBoundingClientRect().right).length"""


@pytest.fixture(params=["light", "dark"])
async def report(request: pytest.FixtureRequest, chromium: str) -> AsyncIterator[Page]:
    """Return a page of a browser whose user prefers light or dark; an error on the page fails the test."""
    problems: list[str] = []
    async with async_playwright() as playwright:
        # Without its sandbox the browser runs as root, too; the page is our own.
        opened = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await opened.new_page(color_scheme=request.param, viewport={"width": 1200, "height": 900})
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda asked: problems.append(asked.url) if not asked.url.startswith("file:") else None)
        yield page
        await opened.close()
    assert [] == problems


async def test_every_chart_is_drawn(report: Page, tmp_path: Path) -> None:
    """All charts show their data, within their columns, and the page asks nobody for anything."""
    path = tmp_path / "report.html"
    path.write_text(render(result()), encoding="utf-8")
    await report.goto(path.as_uri())
    ink = await report.evaluate(INK)
    # Charts fit their columns once the page is laid out, a moment after it was loaded.
    await report.wait_for_function(f"({OVERFLOW})() === 0")

    assert {"over-time", "distribution", "percentiles"} == ink.keys()
    assert [5, 2] == [min(ink["over-time"], 5), ink["percentiles"]]
    assert ink["distribution"] > 2


async def test_charts_follow_light_and_dark(report: Page, tmp_path: Path) -> None:
    """The button turns page and charts over; text and background never have one colour."""
    path = tmp_path / "report.html"
    path.write_text(render(result()), encoding="utf-8")
    await report.goto(path.as_uri())
    before = await report.evaluate(COLOURS)
    await report.get_by_role("button", name="dark / light").click()
    turned = f"before => {{ const now = ({COLOURS})(); return now.every((colour, n) => colour !== before[n]); }}"
    await report.wait_for_function(turned, arg=before)
    after = await report.evaluate(COLOURS)

    assert 4 == len({*before, *after})


@pytest.fixture(scope="module")
def written(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run on both services: the README's command, but shorter. It must pass."""
    del chromium  # without a browser nothing needs to run
    folder = tmp_path_factory.mktemp("loadtest")
    run(block("README.md: See it under load"), folder, replacing={"--duration 20": "--duration 4"})
    return folder / "report.html"


async def test_a_run_on_the_services_draws_its_charts(report: Page, written: Path) -> None:
    """``loadtest --self-contained --html`` starts both services, passes, and writes a report with its charts drawn."""
    await report.goto(written.as_uri())
    ink = await report.evaluate(INK)

    assert "Passed" == await report.get_by_role("status").locator("strong").inner_text()
    assert {"over-time", "distribution", "percentiles"} == {name for name, number in ink.items() if number > 1}, ink
