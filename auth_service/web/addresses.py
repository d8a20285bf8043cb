"""The client's address, believed from ``X-Forwarded-For`` only when a trusted proxy sent it."""

import ipaddress
import re

from aiohttp import web
from multidict import istr

from dualtoken_serving.networks import plain_address

from ..settings import Network
from .app_keys import EVENTS, SETTINGS

_FORWARDED = istr("X-Forwarded-For")
# Some proxies name the port as well (RFC 7239 §6 allows it in its own header).
_WITH_PORT = re.compile(r"(?P<v4>[0-9.]+):[0-9]{1,5}|\[(?P<v6>[^\]]+)\](:[0-9]{1,5})?", re.ASCII)


def client_address(request: web.Request) -> str:
    """Return the nearest address that is not one of ``AUTH_TRUSTED_PROXIES``."""
    trusted, peer = request.app[SETTINGS].trusted_proxies, request.remote or ""
    if _FORWARDED not in request.headers:
        return plain_address(peer)
    hops = [hop.strip() for line in request.headers.getall(_FORWARDED) for hop in line.split(",")]
    if is_overlooked_proxy(peer, trusted):
        request.app[EVENTS].proxy_untrusted(peer)
    return nearest_untrusted(peer, hops, trusted)


def is_overlooked_proxy(peer: str, trusted: tuple[Network, ...]) -> bool:
    """Whether a forwarding peer is probably an unconfigured proxy: all of its callers count as one."""
    address = plain_address(peer)
    return _is_address(address) and ipaddress.ip_address(address).is_private and not _is_within(address, trusted)


def _bare(hop: str) -> str:
    found = _WITH_PORT.fullmatch(hop)
    return plain_address((found["v4"] or found["v6"]) if found else hop)


def nearest_untrusted(peer: str, forwarded: list[str], trusted: tuple[Network, ...]) -> str:
    """Walk from the peer back through *forwarded* as long as each address is a trusted proxy's.

    What lies beyond the first untrusted address was written by a stranger and proves nothing.
    """
    nearest = plain_address(peer)
    for hop in map(_bare, reversed(forwarded)):
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
