"""BearerAuth: which requests are signed."""

from pathlib import Path

import aiohttp
import pytest
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from yarl import URL

from dualtoken.client import BearerAuth, ConfigurationError, LoginRequired, TokenSource
from tests.client.conftest import MakeSource
from tests.client.middleware.calls import fetch
from tests.conformance.pair import Control


async def test_an_allow_listed_origin_is_signed(http: aiohttp.ClientSession, pair: Control) -> None:
    """The access token travels in the Authorization header."""
    await fetch(http, f"{pair.api_url}/things")

    assert {"seen": ["Bearer at-1"]} == await pair.counts("seen")


async def test_a_foreign_origin_sees_no_token(http: aiohttp.ClientSession, pair: Control) -> None:
    """Only allow-listed origins are signed; another port is another origin."""
    await fetch(http, f"{pair.foreign_url}/public")

    assert {"foreign_seen": [None]} == await pair.counts("foreign_seen")


async def test_a_callers_own_authorization_is_left_alone(http: aiohttp.ClientSession, pair: Control) -> None:
    """Neither replaced nor answered by a refresh when it is refused."""
    async with http.get(f"{pair.api_url}/things", headers={"Authorization": "Basic eA=="}) as response:
        assert 401 == response.status

    assert {"seen": ["Basic eA=="], "refresh_calls": 0} == await pair.counts("seen", "refresh_calls")


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Give every host a password, or what else a test says."""
    path = tmp_path / "netrc"
    path.write_text(getattr(request, "param", "default login zs password p\u00e4ss\n"))
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))


@pytest.mark.usefixtures("netrc")
async def test_a_password_from_netrc_takes_no_tokens_place(source: TokenSource, pair: Control) -> None:
    """Aiohttp puts it on with trust_env=True, where it would be taken for the caller's own."""
    auth = BearerAuth(source, origins=[pair.api_url])
    async with aiohttp.ClientSession(middlewares=[auth], trust_env=True) as http:
        await pair.expire()
        assert 200 == await fetch(http, f"{pair.api_url}/redirect?to=/things")

    assert {"seen": ["Bearer at-1"] + ["Bearer at-2"] * 2} == await pair.counts("seen")


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("trust_env", [True, False])
async def test_a_callers_own_password_is_told_from_netrcs(source: TokenSource, pair: Control, trust_env: bool) -> None:
    """Given to the session or in the address, it stays."""
    auth = BearerAuth(source, origins=[pair.api_url])
    address = URL(f"{pair.api_url}/things").with_user("own").with_password("secret")
    async with aiohttp.ClientSession(middlewares=[auth], trust_env=trust_env) as http:
        await fetch(http, str(address))

    assert {"seen": [aiohttp.encode_basic_auth("own", "secret")]} == await pair.counts("seen")


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("netrc", ["default login own password secret\n"], indirect=True)
async def test_the_same_password_without_trust_in_the_environment_is_the_callers(
    source: TokenSource, pair: Control
) -> None:
    """A session that does not read .netrc has it from the caller."""
    address = URL(f"{pair.api_url}/things").with_user("own").with_password("secret")
    async with aiohttp.ClientSession(middlewares=[BearerAuth(source, origins=[pair.api_url])]) as http:
        await fetch(http, str(address))

    assert {"seen": [aiohttp.encode_basic_auth("own", "secret")]} == await pair.counts("seen")


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("netrc", ["machine\n"], indirect=True)
async def test_a_netrc_that_cannot_be_read_changes_nothing(
    source: TokenSource, pair: Control, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says so, and requests are signed."""
    auth = BearerAuth(source, origins=[pair.api_url])
    async with aiohttp.ClientSession(middlewares=[auth], trust_env=True) as http:
        assert 200 == await fetch(http, f"{pair.api_url}/things")

    assert "Could not parse .netrc" in caplog.text


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_a_foreign_origin_takes_no_token_along(
    http: aiohttp.ClientSession, pair: Control, status: int
) -> None:
    """Each hop is judged anew."""
    await fetch(http, f"{pair.api_url}/redirect?status={status}&to={pair.foreign_url}/public")

    assert {"seen": ["Bearer at-1"], "foreign_seen": [None]} == await pair.counts("seen", "foreign_seen")


async def test_a_redirect_within_an_origin_is_signed_again(http: aiohttp.ClientSession, pair: Control) -> None:
    """The second hop is as signed as the first."""
    assert 200 == await fetch(http, f"{pair.api_url}/redirect?to=/things")
    assert {"seen": ["Bearer at-1"] * 2} == await pair.counts("seen")


async def test_a_redirect_back_from_a_foreign_origin_is_signed(http: aiohttp.ClientSession, pair: Control) -> None:
    """There and back again: only the foreign hop goes bare."""
    back = f"{pair.foreign_url}/open-redirect?to={pair.api_url}/things"

    assert 200 == await fetch(http, f"{pair.api_url}/redirect?to={back}")
    assert {"seen": ["Bearer at-1"] * 2, "foreign_seen": [None]} == await pair.counts("seen", "foreign_seen")


async def test_a_redirect_from_https_to_http_is_another_origin(source: TokenSource, pair: Control) -> None:
    """The same host in the clear sees no token."""
    host = pair.api_url.removeprefix("http://")
    seen: list[str | None] = []

    async def note(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        seen.append(request.headers.get("Authorization"))
        return await handler(request)

    auth = BearerAuth(source, origins=[f"https://{host}"])
    async with aiohttp.ClientSession(middlewares=[auth, note]) as http:
        await fetch(http, f"{pair.api_url}/public")

    assert [None] == seen


async def test_an_inner_middleware_may_take_the_signature_off(source: TokenSource, pair: Control) -> None:
    """It wants one call bare: that is no error."""

    async def bare(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        del request.headers["Authorization"]
        return await handler(request)

    async with aiohttp.ClientSession(middlewares=[BearerAuth(source, origins=[pair.api_url]), bare]) as http:
        await fetch(http, f"{pair.api_url}/public")

    assert {"seen": [None]} == await pair.counts("seen")


def test_origins_are_checked_when_it_is_made() -> None:
    """A typing error does not wait for the first request."""
    with pytest.raises(ConfigurationError, match=r"plain http to api\.example"):
        BearerAuth(TokenSource("https://auth.example"), origins=["http://api.example"])


async def test_without_a_session_nothing_is_sent(make_source: MakeSource, pair: Control) -> None:
    """The typed error comes instead of a request that must fail."""
    auth = BearerAuth(make_source(), origins=[pair.api_url])
    async with aiohttp.ClientSession(middlewares=[auth]) as http:
        with pytest.raises(LoginRequired):
            await fetch(http, f"{pair.api_url}/things")

    assert {"api_requests": 0} == await pair.counts("api_requests")
