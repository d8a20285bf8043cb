"""Which addresses count as one."""

import ipaddress

# What one subscriber has at least: RFC 6177 gives sites a /56 or /48, and access networks hand out no less than this.
_IPV6_PREFIX = 64


def network_of(address: str, *, prefix: int = _IPV6_PREFIX) -> str:
    """Return the IPv6 network of *prefix* bits that *address* is in; IPv4, and what is no address, as it is."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # the id of a session, where that is what is limited
        return address
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, prefix), strict=False))
