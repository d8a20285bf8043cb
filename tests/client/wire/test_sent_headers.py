"""What a call to the auth service carries, and how it gets there."""

import aiohttp
import pytest
from yarl import URL

from dualtoken.client import AuthUnavailable
from tests.client.conftest import MakeSource
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.pair import Control
from tests.conformance.proxy_fake import running_proxy

SENT = {"Host", "User-Agent", "Content-Type", "Content-Length", "Accept"}
FOREIGN = {
    "authorization": "Basic eA==",
    "content-type": "text/plain",
    "content-encoding": "gzip",
    "Content-Length": "3",
    "accept": "application/xml",
    "Accept-Encoding": "br",
    "Cookie": "a=b",
    "Expect": "100-continue",
    "Host": "elsewhere.example",
    "If-None-Match": "*",
    "Range": "bytes=0-1",
    "Transfer-Encoding": "chunked",
    "X-Own": "1",
}


@pytest.mark.parametrize("name", FOREIGN)
async def test_what_a_session_adds_does_not_reach_the_auth_service(
    make_source: MakeSource, pair: Control, name: str
) -> None:
    """Default headers of a session that is handed in would break a call, or show it something of another service."""
    async with aiohttp.ClientSession(headers={name: FOREIGN[name]}, cookies={"c": "d"}) as session:
        source = make_source(session=session)
        await source.login("zs", PASSWORD)
        await source.token(rejected="at-1")
        await source.logout()

    login, refresh, logout = (await pair.state())["auth_headers"]
    assert (SENT, SENT | {"Idempotency-Key"}, SENT) == (set(login), set(refresh), set(logout))
    assert {("application/json", "application/json", URL(pair.auth_url).authority)} == {
        (headers["Content-Type"], headers["Accept"], headers["Host"]) for headers in (login, refresh, logout)
    }


async def test_a_session_with_credentials_of_its_own_sends_none(make_source: MakeSource, pair: Control) -> None:
    """Its default auth is for another service."""
    with pytest.warns(DeprecationWarning, match=r"encode_basic_auth|BasicAuth"):
        session = aiohttp.ClientSession(auth=aiohttp.BasicAuth("zs", "secret"))
    async with session:
        await make_source(session=session).login("zs", PASSWORD)

    assert SENT == set((await pair.state())["auth_headers"][0])


async def test_the_user_agent_of_a_session_is_kept(make_source: MakeSource, pair: Control) -> None:
    """Users see it in the list of their sessions."""
    async with aiohttp.ClientSession(headers={"user-agent": "app/1"}) as session:
        await make_source(session=session).login("zs", PASSWORD)

    assert "app/1" == (await pair.state())["auth_headers"][0]["User-Agent"]


async def test_a_session_that_writes_json_its_own_way_changes_nothing(make_source: MakeSource) -> None:
    """The body is ours."""
    async with aiohttp.ClientSession(json_serialize=lambda _: "{}") as session:
        assert "at-1" == (await make_source(session=session).login("zs", PASSWORD)).access_token


async def test_the_proxy_of_a_session_is_used(make_source: MakeSource) -> None:
    """With its credentials, which no service sees."""
    async with running_proxy() as proxy:
        address = URL(proxy.url).with_user("proxy").with_password("secret")
        async with aiohttp.ClientSession(proxy=address) as session:
            await make_source(session=session).login("zs", PASSWORD)

    assert (["/login"], [aiohttp.encode_basic_auth("proxy", "secret")]) == (proxy.paths, proxy.credentials)


@pytest.mark.parametrize("proxy", ["proxy.example:3128", "http://[", "http://zs:secret@proxy.example:99999"])
async def test_a_proxy_that_cannot_be_is_told_and_not_quoted(
    make_source: MakeSource, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    """The error says what to look at; the variable may hold a password."""
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(AuthUnavailable, match="HTTPS_PROXY") as error:
        await make_source().login("zs", PASSWORD)

    assert (None, False) == (error.value.__cause__, "secret" in str(error.value))
