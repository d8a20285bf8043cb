"""Through which proxy a service fetches what is elsewhere."""

import pytest
from prometheus_client import CollectorRegistry
from yarl import URL

from dualtoken.auth_service.domain.trusted_issuers import TrustedIssuer
from dualtoken.auth_service.events.assertions import AssertionEvents
from dualtoken.auth_service.grant_errors import IssuerUnavailable
from dualtoken.auth_service.keys.issuer_keys import IssuerKeys
from dualtoken.resource_service.errors import FeedRefused, KeySetRefused
from dualtoken.resource_service.keys.jwks_url import JwksUrl
from dualtoken.resource_service.revocation.feed_client import RevocationFeed
from dualtoken_serving.proxies import proxy_for
from tests.client.commands.relays import proxy
from tests.ports import held_ports

PROXY = "http://zs:secret@proxy.example:3128"
ELSEWHERE = URL("https://keys.example/jwks.json")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy but a test's own."""
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)


@pytest.mark.parametrize(
    ("url", "variables", "expected"),
    [
        ("https://keys.example/", {}, None),
        ("https://keys.example/", {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://keys.example/", {"https_proxy": PROXY}, PROXY),
        ("https://keys.example/", {"HTTPS_PROXY": ""}, None),
        ("https://keys.example/", {"HTTP_PROXY": PROXY}, None),
        ("http://auth:8001/revocations", {"HTTPS_PROXY": PROXY, "HTTP_PROXY": PROXY}, None),
        ("https://keys.example/", {"HTTPS_PROXY": PROXY, "NO_PROXY": "example"}, None),
        ("https://keys.example:8443/", {"HTTPS_PROXY": PROXY, "NO_PROXY": "localhost, keys.example"}, None),
        ("https://keys.example/", {"HTTPS_PROXY": PROXY, "NO_PROXY": "ys.example"}, PROXY),
        ("https://keys.example/", {"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, None),
    ],
)
def test_what_is_fetched_through_the_proxy(
    url: str, variables: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes over https, but for what NO_PROXY lists."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert (None if expected is None else URL(expected)) == proxy_for(URL(url))


@pytest.mark.parametrize("text", ["zs:secret@proxy.example:3128", "secret", "http://secret:x:y/", "socks5://secret"])
def test_an_address_that_is_none_is_not_repeated(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold a password; the message has an example."""
    monkeypatch.setenv("HTTPS_PROXY", text)
    with pytest.raises(ValueError, match="HTTPS_PROXY is not an address such as") as caught:
        proxy_for(ELSEWHERE)

    assert "secret" not in str(caught.value)


async def _refusals(url: URL) -> list[str]:
    """Fetch, in vain, all that a service fetches; return what is said of each."""
    entry = {"issuer": str(url.origin()), "audience": "app", "jwks_uri": str(url), "prefix": "idp|"}
    keys = IssuerKeys(TrustedIssuer.model_validate(entry), AssertionEvents(CollectorRegistry()), gap_s=0)
    said = []
    with pytest.raises(IssuerUnavailable) as of_issuer:
        await keys.find("any", "RS256")
    said.append(str(of_issuer.value))
    with pytest.raises(KeySetRefused) as of_keys:
        await JwksUrl(str(url)).fetch()
    said.append(str(of_keys.value))
    async with RevocationFeed(str(url), "s" * 32) as feed:
        with pytest.raises(FeedRefused) as of_feed:
            await feed.ask(None, 0)
    said.append(str(of_feed.value))
    return said


async def test_keys_and_revocations_are_asked_for_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """By CONNECT, so that it sees neither secret nor answer."""
    with held_ports(1) as [nobody]:
        async with proxy() as (address, asked):
            monkeypatch.setenv("HTTPS_PROXY", address)
            said = await _refusals(URL(f"https://127.0.0.1:{nobody}/jwks.json"))

    assert {f"CONNECT 127.0.0.1:{nobody}"} == set(asked)
    assert [True] * 3 == ["ServerDisconnected" in problem for problem in said]  # by the proxy, which found nobody


async def test_a_proxy_that_is_none_is_told_wherever_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the words that name the cure, and without what was written there."""
    monkeypatch.setenv("HTTPS_PROXY", "zs:secret@proxy.example:3128")
    said = await _refusals(ELSEWHERE)

    assert [True] * 3 == ["HTTPS_PROXY is not an address such as" in problem for problem in said]
    assert "secret" not in "".join(said)
