"""What a route asks of a token, and who need not show one: one scope, or a predicate. Knows no framework."""

import inspect
from collections.abc import Callable
from typing import TypeVar

from ..verification.claims import Claims
from .challenge import SCOPE

Needed = str | Callable[[Claims], bool]
"""One scope (RFC 6749 §3.3), or what says whether a token's claims are enough."""

T = TypeVar("T")


def checked(needed: Needed) -> Needed:
    """Return *needed*.

    Raises:
        ValueError: it is a text and not one scope.
        TypeError: it can be no predicate, or is a coroutine function.
    """
    if isinstance(needed, str):
        if not SCOPE.fullmatch(needed):
            raise ValueError(f"not a scope: {needed!r}")
    elif not callable(needed):
        raise TypeError(f"requires: neither a scope nor a predicate: {needed!r}")
    elif inspect.iscoroutinefunction(needed):
        raise TypeError("requires: the predicate must not be asynchronous: load what it needs before")
    return needed


def is_enough(claims: Claims, needed: Needed) -> bool:
    """Tell whether *claims* are enough. They are not where a predicate misses one (``KeyError``).

    Raises:
        TypeError: the predicate gave no verdict.
    """
    if isinstance(needed, str):
        return needed in claims.scopes
    try:
        return verdict(needed, claims)
    except KeyError:
        return False


def verdict(predicate: Callable[[T], bool], of: T) -> bool:
    """Return what *predicate* says.

    Raises:
        TypeError: something else than yes or no.
    """
    said = predicate(of)
    # A coroutine that nobody awaited would be true.
    if not isinstance(said, bool):
        raise TypeError(f"the predicate returned {type(said).__name__}, not bool")
    return said
