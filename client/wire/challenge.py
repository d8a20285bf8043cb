"""Reading ``WWW-Authenticate`` (RFC 9110 §11.6.1): does this 401 ask for another bearer token?"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - a token in the sense of RFC 9110 §5.6.2
_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
# One piece at a time: a parameter, or the name of a scheme (perhaps with its token68), or a comma.
_PIECE: Final = re.compile(
    rf"\s*(?:(?P<name>{_TOKEN})\s*=\s*(?P<value>{_QUOTED}|{_TOKEN})|(?P<scheme>{_TOKEN})(?:\s+[A-Za-z0-9\-._~+/]+=*(?=\s*(?:,|$)))?|,)"
)


def _challenges(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    scheme, parameters, position = "", dict[str, str](), 0
    while (piece := _PIECE.match(header, position)) and piece.end() > position:
        position = piece.end()
        if piece["scheme"]:
            if scheme:
                yield scheme, parameters
            scheme, parameters = piece["scheme"].lower(), {}
        elif piece["name"]:
            value = piece["value"]
            if value.startswith('"'):
                value = re.sub(r"\\(.)", r"\1", value[1:-1])
            parameters[piece["name"].lower()] = value
    if scheme:
        yield scheme, parameters


def asks_for_new_token(headers: Iterable[str]) -> bool:
    """Tell whether a 401 with these ``WWW-Authenticate`` headers may be answered with a new access token.

    Without any challenge it may (the header is required, and often forgotten). A challenge for ``Bearer`` says yes
    unless its error is ``insufficient_scope`` (RFC 6750 §3.1); challenges of other schemes alone say no.
    """
    found = [challenge for header in headers for challenge in _challenges(header)]
    if not found:
        return True
    return any(scheme == "bearer" and given.get("error") != "insufficient_scope" for scheme, given in found)
