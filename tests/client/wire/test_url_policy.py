"""Which addresses may see a token."""

import pytest
from yarl import URL

from dualtoken.client import ConfigurationError
from dualtoken.client.wire.url_policy import auth_base, origin, origins


@pytest.mark.parametrize(
    ("address", "login"),
    [
        ("https://auth.example", "https://auth.example/login"),
        ("https://auth.example/", "https://auth.example/login"),
        ("https://example.com/auth", "https://example.com/auth/login"),
        ("https://example.com/auth//", "https://example.com/auth/login"),
        ("https://example.com/a%2Fb/", "https://example.com/a%2Fb/login"),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001/login"),
        ("http://localhost:8001/", "http://localhost:8001/login"),
        ("http://app.localhost", "http://app.localhost/login"),
        ("http://[::1]:8001", "http://[::1]:8001/login"),
        ("https://auth.example.", "https://auth.example./login"),
        ("https://auth_service:8001", "https://auth_service:8001/login"),
        ("https://" + "a" * 63 + ".example", "https://" + "a" * 63 + ".example/login"),
        ("https://10.0.0.1", "https://10.0.0.1/login"),
    ],
)
def test_an_auth_url_may_have_a_path_and_a_trailing_slash(address: str, login: str) -> None:
    """A path is kept, a trailing slash changes nothing, plain http is fine on this machine."""
    assert login == str(auth_base(address, allow_insecure=False) / "login")


@pytest.mark.parametrize(
    ("address", "advice"),
    [
        ("auth.example", "needs a scheme and a host"),
        ("auth.example:8001", "needs a scheme and a host"),
        ("//auth.example", "needs a scheme and a host"),
        ("/login", "needs a scheme and a host"),
        ("", "needs a scheme and a host"),
        ("ftp://auth.example", "needs a scheme and a host"),
        ("https://", "needs a scheme and a host"),
        ("https://auth.example:99999", "is not an address"),
        ("https://[", "is not an address"),
        ("https://user:secret@auth.example", "must not carry a user"),
        ("https://auth.example?token=1", "must not carry a query"),
        ("https://auth.example#x", "must not carry a query or a fragment"),
        ("https://a..b", "an invalid host or port"),
        ("https://.example", "an invalid host or port"),
        ("https://auth..", "an invalid host or port"),
        ("https://" + "a" * 64 + ".example", "an invalid host or port"),
        ("https://" + ".".join(["a" * 63] * 4), "an invalid host or port"),
        ("https://bücher..example", "is not an address"),
        ("https://" + "ü" * 62 + ".example", "is not an address"),
        ("https://xn--a.example", "is not an address"),
        ("https://[::g]", "an invalid host or port"),
        ("https://auth.example:x", "is not an address"),
        ("https://-auth.example", "an invalid host or port"),
        ("https://auth-.example", "an invalid host or port"),
        ("https://auth service.example", "an invalid host or port"),
        ("https://auth%20service.example", "an invalid host or port"),
        ("https://*.example", "an invalid host or port"),
        ("https://300.1.1.1", "an invalid host or port"),
        ("https://1.2.3.4.5", "an invalid host or port"),
        ("https://auth.example:0", "an invalid host or port"),
        ("http://auth.example", "plain http to auth.example"),
        ("http://10.0.0.1", "plain http to 10.0.0.1"),
        ("http://localhost.example", "plain http to localhost.example"),
    ],
)
def test_an_address_that_cannot_work_is_refused_with_advice(address: str, advice: str) -> None:
    """Each refusal says what to write instead, and quotes no password."""
    with pytest.raises(ConfigurationError, match=advice) as error:
        auth_base(address, allow_insecure=False)

    assert "secret" not in str(error.value)


def test_plain_http_can_be_permitted() -> None:
    """On a network that one trusts."""
    assert "http://auth.internal/" == str(auth_base("http://auth.internal", allow_insecure=True))


@pytest.mark.parametrize(
    "bad",
    [
        [],
        "https://api.example",
        ["https://api.example/path"],
        ["https://api.example?query"],
        ["https://api..example"],
        ["http://api.example"],
        [3],
    ],
)
def test_origins_are_a_list_of_origins(bad: object) -> None:
    """A string alone, an empty list, a path, a query, a name that cannot be, plain http: refused before any request."""
    with pytest.raises(ConfigurationError):
        origins(bad, allow_insecure=False)  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        ("https://api.example/home", True),
        ("https://api.example:443/home", True),
        ("https://API.example/home", True),
        ("wss://api.example/socket", True),
        ("http://api.example/home", False),
        ("ws://api.example/socket", False),
        ("https://api.example:8443/home", False),
        ("https://api.example.evil/home", False),
        ("https://evil/?https://api.example", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, signed: bool) -> None:
    """RFC 6454; a WebSocket handshake has the origin of the http request that it is."""
    assert signed == (origin(URL(url)) in origins(["https://api.example"], allow_insecure=False))


@pytest.mark.parametrize("address", ["https://bücher.example", "https://xn--bcher-kva.example"])
@pytest.mark.parametrize(
    "url", ["https://bücher.example/", "https://xn--bcher-kva.example/", "https://BÜCHER.example/"]
)
def test_both_spellings_of_a_host_are_one_origin(address: str, url: str) -> None:
    """RFC 5890: in the letters of its language, or in ASCII."""
    assert origin(URL(url)) in origins([address], allow_insecure=False)
