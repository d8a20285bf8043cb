"""What a route requires of a token: one scope, or a predicate. Independent of any framework."""

import inspect
from collections.abc import Callable
from typing import TypeVar

from ..verification.claims import Claims
from .challenge import SCOPE

Needed = str | Callable[[Claims], bool]
"""One scope (RFC 6749 §3.3), or a predicate on a token's claims."""

T = TypeVar("T")


def checked(needed: Needed) -> Needed:
    """Return *needed*.

    Raises:
        ValueError: it is a string but not one scope.
        TypeError: it is not a predicate, or is a coroutine function.
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
    """Tell whether *claims* suffice. They do not if a predicate misses one (``KeyError``).

    Raises:
        TypeError: the predicate did not return a bool.
    """
    if isinstance(needed, str):
        return needed in claims.scopes
    try:
        return verdict(needed, claims)
    except KeyError:
        return False


def verdict(predicate: Callable[[T], bool], of: T) -> bool:
    """Return the verdict of *predicate*.

    Raises:
        TypeError: it is not a bool.
    """
    said = predicate(of)
    # A coroutine that is not awaited would be true.
    if not isinstance(said, bool):
        raise TypeError(f"the predicate returned {type(said).__name__}, not bool")
    return said
