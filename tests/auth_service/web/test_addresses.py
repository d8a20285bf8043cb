import ipaddress

import pytest

from auth_service.web.addresses import nearest_untrusted

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
        ("10.0.0.1", ["198.51.100.1:8080"], "10.0.0.1"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_the_nearest_address_that_no_trusted_proxy_has(peer: str, forwarded: list[str], client: str) -> None:
    """Addresses are believed from the peer backwards, as long as trusted proxies wrote them, and never beyond."""
    assert client == nearest_untrusted(peer, forwarded, TRUSTED)
