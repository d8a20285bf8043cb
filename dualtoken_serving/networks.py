"""Which addresses count as one."""

import ipaddress

# Whoever has one address has all of its network: the lower half names an interface (RFC 4291 §2.5.1).
_IPV6_PREFIX = 64


def plain_address(address: str) -> str:
    """Return IPv4 for IPv4-mapped IPv6, as a socket of both kinds names its peers (RFC 4291 §2.5.5.2)."""
    if not address.lower().startswith("::ffff:"):
        return address
    try:
        mapped = ipaddress.IPv6Address(address).ipv4_mapped
    except ValueError:
        return address
    return address if mapped is None else str(mapped)


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
