"""The age of a key, and until when its tokens may live. Pure.

The record stands in the key itself: a JWK may have further members, and readers pass over those that they do not know
(RFC 7517 §4). No verifier is told of it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from .jwk import Jwk

MADE = "iat"  # seconds since the epoch; the name is that of OpenID Federation 1.0 §8.7.2
SIGNED_UNTIL = "signed_until"  # seconds since the epoch; 0: it has never signed
_NOTICED_S = 60
"""More than services take to see that another key signs."""

_LATEST = 2**37  # the year 6325: later ones have no date


class KeyLife(NamedTuple):
    """What is known of a key. Times in seconds since the epoch.

    Attributes:
        made_at: None where the file does not say.
        signs: whether it is the one that signs.
        needed_until: when the last of what it signed is over; None while it signs; 0 if it never did.
    """

    made_at: int | None
    signs: bool
    needed_until: int | None


def lives(keys: Sequence[Jwk], *, lifetime_s: int, changed_at: int) -> list[KeyLife]:
    """Return the life of each key of a file.

    Args:
        keys: the first one signs.
        lifetime_s: how long what a key signs may live.
        changed_at: when the file was last changed: until then at most signed a key without a record, such as one that
            was moved by hand.
    """
    first, *others = keys
    return [
        KeyLife(_recorded(first, MADE), signs=True, needed_until=None),
        *(KeyLife(_recorded(key, MADE), False, _needed_until(key, lifetime_s, changed_at)) for key in others),
    ]


def _needed_until(key: Jwk, lifetime_s: int, changed_at: int) -> int:
    signed_until = _recorded(key, SIGNED_UNTIL)
    if signed_until is None:
        signed_until = changed_at
    return signed_until + lifetime_s + _NOTICED_S if signed_until else 0


def _recorded(key: Jwk, name: str) -> int | None:
    value = key.get(name)
    return value if type(value) is int and 0 <= value <= _LATEST else None  # a file may say anything


def new(key: Jwk, *, signs: bool, now: int) -> Jwk:
    """Return a new key with its record."""
    return {**key, MADE: now, **({} if signs else {SIGNED_UNTIL: 0})}


def in_front(chosen: Jwk, keys: Sequence[Jwk], *, now: int) -> list[Jwk]:
    """Return the keys of a file in which *chosen* signs from now on; it may be one of them."""
    signing = {name: value for name, value in chosen.items() if name != SIGNED_UNTIL}
    if keys[0]["kid"] == chosen["kid"]:
        return [signing, *keys[1:]]
    first = {**keys[0], SIGNED_UNTIL: now}
    return [signing, *(key for key in (first, *keys[1:]) if key["kid"] != chosen["kid"])]
