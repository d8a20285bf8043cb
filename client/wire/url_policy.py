"""The URLs that may get a token."""

import ipaddress
import re
import socket
from collections.abc import Collection
from typing import Final

from yarl import URL

from ..errors import ConfigurationError

MAX_NAME: Final = 253  # characters
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"  # with the underscore that names of containers have
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?", re.IGNORECASE | re.ASCII)

Origin = tuple[str, str | None, int | None]  # scheme, host, port

_HANDSHAKE: Final = {"https": "wss", "http": "ws"}  # RFC 6455 §4.1: a handshake is an http request


def is_loopback(host: str) -> bool:
    """Tell whether *host* is this machine (RFC 6761 §6.3, RFC 8252 §8.3)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _can_be(host: str) -> bool:
    """Tell whether *host* is a name or a number that a resolver can take (RFC 1035 §2.3.4, RFC 1123 §2.1)."""
    if ":" in host:
        return _is_number(host)
    if host.rpartition(".")[2].isdigit():
        try:
            return bool(socket.inet_aton(host))
        except OSError:
            return False
    return len(host.removesuffix(".")) <= MAX_NAME and bool(_NAME.fullmatch(host))


def _is_number(host: str) -> bool:
    try:
        return bool(ipaddress.IPv6Address(host))
    except ValueError:
        return False


def _checked(address: str | URL, what: str, *, allow_insecure: bool) -> URL:
    try:
        url = URL(address)
        _ = url.raw_host, url.host, url.port  # the first look at each decodes it
    except (TypeError, ValueError):
        raise ConfigurationError(f"{what} is not an address: write it like https://auth.example") from None
    if url.scheme not in ("https", "http") or not url.host:
        raise ConfigurationError(f"{what} needs a scheme and a host: write it like https://auth.example")
    if url.user is not None or url.password is not None:
        raise ConfigurationError(f"{what.split(maxsplit=1)[0]} address must not carry a user or a password")
    if url.query_string or url.fragment:
        raise ConfigurationError(f"{what} must not carry a query or a fragment")
    if not _can_be(url.raw_host or "") or url.port == 0:
        raise ConfigurationError(f"{what} names an invalid host or port: {url.host}:{url.port}")
    if url.scheme == "http" and not allow_insecure and not is_loopback(url.host):
        raise ConfigurationError(
            f"{what} is plain http to {url.host}: tokens would travel readable. "
            "Use https, or allow_insecure=True on a network that you trust"
        )
    return url


def auth_base(address: str | URL, *, allow_insecure: bool) -> URL:
    """Return the address of an auth service, ready to have a call's name joined to it.

    A path is kept (a service behind ``https://example.com/auth``); a trailing slash changes nothing.

    Raises:
        ConfigurationError: without a scheme or host; with a user, query or fragment; plain http to a host that is not
            this machine.
    """
    url = _checked(address, "the auth URL", allow_insecure=allow_insecure)
    return url.with_path(url.raw_path.rstrip("/") + "/", encoded=True)


def origin(url: URL) -> Origin:
    """Return the origin (RFC 6454) of a request. Each request asks: three look-ups, and no name is decoded."""
    # Not ``url.origin()``: there https://host:443 and https://host differ.
    return (url.scheme, url.raw_host, url.port)


def origins(addresses: Collection[str | URL], *, allow_insecure: bool) -> frozenset[Origin]:
    """Return the origins that may see a token, each also as a WebSocket handshake names it.

    Raises:
        ConfigurationError: no address at all; a path; whatever :func:`auth_base` refuses.
    """
    if isinstance(addresses, str | URL) or not addresses:
        raise ConfigurationError('origins is a list of at least one origin: origins=["https://api.example"]')
    found = [_origin(address, allow_insecure=allow_insecure) for address in addresses]
    return frozenset(found + [(_HANDSHAKE[scheme], host, port) for scheme, host, port in found])


def _origin(address: str | URL, *, allow_insecure: bool) -> Origin:
    what = f"origin {str(address)!r}"
    url = _checked(address, what, allow_insecure=allow_insecure)
    if url.path not in ("", "/"):
        raise ConfigurationError(f"{what} must not have a path: write {url.origin()}")
    return origin(url)
