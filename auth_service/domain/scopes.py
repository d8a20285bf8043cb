"""Scopes: what a token may be used for, as space-delimited words (RFC 6749 §3.3)."""

from typing import Annotated

from pydantic import StringConstraints

from .names import formed

_WORD = r"[\x21\x23-\x5b\x5d-\x7e]+"
# An access token must have room for it, beside its other claims.
Scope = Annotated[
    str,
    StringConstraints(max_length=1024),
    formed(
        rf"({_WORD}( {_WORD})*)?", "must be words of printable ASCII without quotes or backslashes, one space apart"
    ),
]


def is_within(asked: str, scope: str) -> bool:
    """Whether each word of *asked* is one of *scope*; no word at all is."""
    return not asked or set(asked.split(" ")) <= set(scope.split(" "))


def narrowed(scope: str, *limits: str | None) -> str:
    """Return the words of *scope* that each of *limits* has as well, in the order of *scope*; None is no limit."""
    given = [set(limit.split(" ")) for limit in limits if limit is not None]
    return " ".join(word for word in scope.split(" ") if all(word in limit for limit in given)) if given else scope
