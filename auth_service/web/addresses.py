"""The client's address, believed from ``X-Forwarded-For`` only when a trusted proxy sent it."""

import ipaddress

from aiohttp import web

from auth_service.settings import Network
from auth_service.web.keys import SETTINGS


def client_address(request: web.Request) -> str:
    """Return the nearest address that is not one of ``AUTH_TRUSTED_PROXIES``."""
    trusted = request.app[SETTINGS].trusted_proxies
    hops = [hop.strip() for line in request.headers.getall("X-Forwarded-For", ()) for hop in line.split(",")]
    return nearest_untrusted(request.remote or "", hops, trusted)


def nearest_untrusted(peer: str, forwarded: list[str], trusted: tuple[Network, ...]) -> str:
    """Walk from the peer back through *forwarded* as long as each address is a trusted proxy's.

    What lies beyond the first untrusted address was written by a stranger and proves nothing.
    """
    nearest = peer
    for hop in reversed(forwarded):
        if not _is_within(nearest, trusted) or not _is_address(hop):
            break
        nearest = hop
    return nearest


def _is_within(address: str, networks: tuple[Network, ...]) -> bool:
    return _is_address(address) and any(ipaddress.ip_address(address) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
