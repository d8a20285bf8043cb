"""The server of the web page."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from dualtoken.client.errors import ConfigurationError
from dualtoken.client.playground.page_server import FILES, bind, built_with_vue, create_app

Page = TestClient[Request, Application]
HARDENED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A server that is told both services."""
    app = create_app("https://auth.example/base/", "https://api.example:8443")
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_the_page_is_told_where_the_services_are(page: Page) -> None:
    """The addresses are joined to paths as they are."""
    response = await page.get("/config.json")

    assert {"authUrl": "https://auth.example/base", "apiUrl": "https://api.example:8443"} == await response.json()


@pytest.mark.parametrize("path", ["/", "/app.js", "/config.json", "/health/ready", "/nowhere"])
async def test_every_answer_is_hardened(page: Page, path: str) -> None:
    """Errors, too, carry the policy: own scripts alone, both services alone, no frames, no inline anything."""
    response = await page.get(path)
    policy = dict(rule.split(" ", 1) for rule in response.headers["Content-Security-Policy"].split("; "))

    assert "'none'" == policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"]
    assert "'self'" == policy["script-src"] == policy["style-src"]
    assert "'self' https://auth.example https://api.example:8443" == policy["connect-src"]
    assert HARDENED == {name: response.headers[name] for name in HARDENED}


async def test_every_file_is_served_and_nothing_else(page: Page) -> None:
    """The files of the page are served under their names; those of the npm package are not, and there is no way out."""
    names = {str(file.relative_to(FILES)) for file in FILES.rglob("*") if file.is_file()}
    answers = {name: await page.get(f"/{name}".removesuffix("index.html")) for name in names}
    served = {name: answer.content_type.split("/")[1] for name, answer in answers.items() if answer.status == 200}

    assert {"html", "javascript", "css", "svg+xml"} == set(served.values())
    package = {"LICENSE", "README.md", "axios.d.ts", "axios.js", "package.json", "silent-refresh.d.ts"}
    assert package == names - set(served)
    assert [404, 404] == [(await page.get(path)).status for path in ("/../page.py", "/%2e%2e/page.py")]


async def test_a_page_that_was_built_is_served_likewise(tmp_path: Path) -> None:
    """A build's files keep their places; the addresses are the server's, and Vue may make its one policy."""
    for name in ("index.html", "config.json", "assets/index-abc.js"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    app = create_app("https://auth.example", "https://api.example", built_with_vue(tmp_path))
    async with TestClient(TestServer(app)) as client:
        answers = [await client.get(path) for path in ("/", "/assets/index-abc.js", "/config.json", "/app.js")]

        assert [200, 200, 200, 404] == [answer.status for answer in answers]
        assert "https://auth.example" == (await answers[2].json())["authUrl"]
        assert "trusted-types vue" in answers[0].headers["Content-Security-Policy"]


def test_nothing_is_inline() -> None:
    """No inline script, style or handler: the policy would refuse it."""
    html = (FILES / "index.html").read_text(encoding="utf-8")

    assert ["script"] == [tag for tag in ("script", "style ", "style>") if f"<{tag}" in html]
    assert [] == [mark for mark in (" style=", " onclick=", " onload=", "javascript:") if mark in html]


@pytest.mark.parametrize("url", ["auth.example", "ftp://auth.example", "https://user:secret@auth.example", ""])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """The page does not start without both addresses."""
    with pytest.raises(ConfigurationError):
        create_app(url, "https://api.example")


def test_a_taken_port_is_one_clear_line() -> None:
    """Address and cause."""
    with bind("127.0.0.1", 0) as taken, pytest.raises(ConfigurationError, match=r"cannot listen on 127\.0\.0\.1:"):
        bind("127.0.0.1", taken.getsockname()[1])


async def test_a_host_that_is_none_is_one_clear_line() -> None:
    """Not a traceback."""
    with pytest.raises(ConfigurationError, match="not a host name"):
        bind("a" * 64, 0)
