"""Origins of web pages in the browsers' spelling: they are compared as strings, so any other never matches."""

import ipaddress
import re

from yarl import URL

_HOST = re.compile(r"\[[0-9a-f:]+\]|(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_-]{1,63})*\.?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_EXAMPLE = "write https://app.example, or http://localhost:8003"


def browser_origin(text: str) -> str:
    """Return an origin in lower case, an international name in ASCII, without a default port or a slash at the end.

    Raises:
        ValueError: it is none, or more than that. The message says what to write, and does not repeat it.

    Source: WHATWG URL §4.7 (origin); RFC 6454 §6.2.
    """
    try:
        url = URL(text)
        origin = url.origin()
    except ValueError:
        raise ValueError(f"must be an exact origin: {_EXAMPLE}") from None
    if url.scheme not in {"http", "https"} or "*" in text or "%" in text:
        raise ValueError(f"must be an exact origin, and * or another scheme is none: {_EXAMPLE}")
    if url.user is not None or url.raw_path != "/" or "?" in text or "#" in text:
        raise ValueError(f"must be an origin alone, without path, query or user: {_EXAMPLE}")
    host = origin.raw_authority.removesuffix(f":{origin.port}")
    if not _HOST.fullmatch(host) or _is_an_odd_number(host):
        raise ValueError(f"must name a host as browsers do: {_EXAMPLE}")
    return str(origin)


def _is_an_odd_number(host: str) -> bool:
    """Whether browsers take it for an IPv4 address, which they write as four numbers."""
    if not _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]):
        return False
    try:
        return str(ipaddress.IPv4Address(host)) != host
    except ValueError:
        return True
