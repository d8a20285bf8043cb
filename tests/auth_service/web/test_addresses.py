import ipaddress

import pytest

from dualtoken.auth_service.web.addresses import is_overlooked_proxy, nearest_untrusted
from tests.auth_service.running import Auth

TRUSTED = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1", "10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3", "10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["<script>"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1", "unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:8080"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::1]:80"], "2001:db8::1"),
        ("10.0.0.1", ["198.51.100.1", "[fd00::2]"], "198.51.100.1"),
        ("10.0.0.1", ["[::1"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:x"], "10.0.0.1"),
        ("10.0.0.1", ["[x]:80"], "10.0.0.1"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("", ["198.51.100.1"], ""),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("::FFFF:a00:1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1", "[::ffff:10.0.0.2]:80"], "198.51.100.1"),
        ("::ffff:192.0.2.1", ["198.51.100.1"], "192.0.2.1"),
        ("::ffff:0:1", [], "0.0.0.1"),
        ("::ffff:nonsense", [], "::ffff:nonsense"),
    ],
)
def test_the_nearest_address_that_no_trusted_proxy_has(peer: str, forwarded: list[str], client: str) -> None:
    """Addresses are believed from the peer backwards, as long as trusted proxies wrote them, and never beyond."""
    assert client == nearest_untrusted(peer, forwarded, TRUSTED)


@pytest.mark.parametrize(
    ("peer", "overlooked"),
    [
        ("192.168.0.1", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:192.168.0.1", True),
        ("::ffff:10.0.0.1", False),
        ("::ffff:8.8.8.8", False),
        ("10.0.0.1", False),
        ("fd00::1", False),
        ("8.8.8.8", False),
        ("", False),
    ],
)
def test_a_neighbour_that_is_no_trusted_proxy_is_overlooked(peer: str, overlooked: bool) -> None:
    """Strangers may write what they like; a private or loopback address that forwards is a proxy."""
    assert overlooked == is_overlooked_proxy(peer, TRUSTED)


async def test_an_overlooked_proxy_is_named_once_a_minute(auth: Auth, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, however many requests it forwards; none without the header."""
    body = {"username": "zs", "password": "wrong"}
    await auth.post("/login", body)
    before = capsys.readouterr().out
    for _ in range(2):
        await auth.post("/login", body, headers={"X-Forwarded-For": "198.51.100.1"})

    assert 0 == before.count("proxy.untrusted")
    assert 1 == capsys.readouterr().out.count("proxy.untrusted")
