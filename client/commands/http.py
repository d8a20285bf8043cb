"""The HTTP session of a command: proxies from the environment, a company's own authorities, no ``.netrc``."""

import os
import ssl
from pathlib import Path
from typing import Any
from urllib.request import getproxies

import aiohttp
from yarl import URL

from ..errors import ConfigurationError


def http_session(cacert: Path | None, **options: Any) -> aiohttp.ClientSession:
    """Return a session that goes through ``HTTP_PROXY`` and ``HTTPS_PROXY``, ``NO_PROXY`` excepted.

    Args:
        cacert: a PEM file of the authorities to trust instead of the system's.
        options: of :class:`aiohttp.ClientSession`.

    Raises:
        ConfigurationError: *cacert*, or a proxy that the environment names, cannot be used.
    """
    _require_proxies()
    # What trusts the environment for proxies would also take a password from .netrc in place of the access token.
    os.environ["NETRC"] = os.devnull
    connector = aiohttp.TCPConnector(ssl=True if cacert is None else _trusting(cacert))
    return aiohttp.ClientSession(connector=connector, trust_env=True, cookie_jar=aiohttp.DummyCookieJar(), **options)


def _require_proxies() -> None:
    """Check the proxies here: aiohttp's own errors of them look like those of an address, and may quote a password."""
    for scheme, proxy in getproxies().items():
        if scheme in ("http", "https") and not _is_proxy(proxy):
            raise ConfigurationError(f"{scheme.upper()}_PROXY: write it like http://proxy.example:3128")


def _is_proxy(address: str) -> bool:
    try:
        url = URL(address)
    except ValueError:
        return False
    return url.scheme in ("http", "https") and bool(url.host)  # of https aiohttp itself tells that it goes without


def _trusting(cacert: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=cacert)
    except ssl.SSLError:
        raise ConfigurationError(f"--cacert {cacert}: no certificates in PEM form") from None
    except OSError as error:
        raise ConfigurationError(f"--cacert {cacert}: {error.strerror}") from None
