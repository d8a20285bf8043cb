"""What aiohttp makes of ``.netrc``, to tell it from what a caller has set."""

import netrc
import os
from pathlib import Path

from aiohttp import encode_basic_auth


def netrc_authorization(host: str) -> str | None:
    """Return the ``Authorization`` that aiohttp takes from ``.netrc`` for *host*; None if there is none. Blocks.

    For each request of a session with ``trust_env=True`` aiohttp reads that file, and no header says where it is from.
    """
    try:
        found = netrc.netrc(os.environ["NETRC"] if "NETRC" in os.environ else _default_path()).authenticators(host)
    except (OSError, RuntimeError, netrc.NetrcParseError):
        return None
    if found is None:
        return None
    login, account, password = found
    return encode_basic_auth(login or account or "", password or "", encoding="latin1")


def _default_path() -> Path:
    return Path.home() / ("_netrc" if os.name == "nt" else ".netrc")
