"""What a client with double tokens must do with the proxies and passwords of its surroundings."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conformance.auth_fake import PASSWORD
from tests.conformance.conftest import OpenAnother
from tests.conformance.pair import Control
from tests.conformance.proxy_fake import ProxyFake, running_proxy
from tests.conformance.scenarios.calls import get


@pytest.fixture(autouse=True)
def no_other_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the machine itself has."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
async def proxy() -> AsyncIterator[ProxyFake]:
    """Run a proxy."""
    async with running_proxy() as proxy:
        yield proxy


async def test_the_proxy_of_the_environment_is_used(
    open_another: OpenAnother, pair: Control, proxy: ProxyFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For log-in, refresh and log-out as for requests."""
    monkeypatch.setenv("http_proxy", proxy.url)
    client = open_another()
    await client.login("zs", PASSWORD)
    await pair.expire()
    await get(client, pair)
    await client.logout()

    assert ["/login", "/things", "/refresh", "/things", "/logout"] == proxy.paths


async def test_a_host_without_a_proxy_is_reached_directly(
    open_another: OpenAnother, pair: Control, proxy: ProxyFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_PROXY names it."""
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    client = open_another()
    await client.login("zs", PASSWORD)

    assert (200, []) == (await get(client, pair), proxy.paths)


@pytest.mark.parametrize("entry", ["default", "machine 127.0.0.1"])
async def test_a_password_file_takes_the_place_of_no_token(
    open_another: OpenAnother, pair: Control, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    """No service gets a password from .netrc: not the API in place of the token, not the auth service beside it."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"{entry} login zs password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    client = open_another()
    await client.login("zs", PASSWORD)
    await pair.expire()
    assert 200 == await get(client, pair)
    await client.logout()

    state = await pair.state()
    assert ["Bearer at-1", "Bearer at-2"] == state["seen"]
    assert [] == [headers["Authorization"] for headers in state["auth_headers"] if "Authorization" in headers]
