"""How old a key is, and until when something that it signed may live."""

from typing import Any

import pytest

from dualtoken.auth_service.domain.jwk import Jwk
from dualtoken.auth_service.domain.key_life import MADE, SIGNED_UNTIL, KeyLife, in_front, lives, new

LIFETIME_S = 3600
NOTICED_S = 60
CHANGED_AT = 5000


def key(kid: str, **record: Any) -> Jwk:
    """Return a key, as far as these rules look at one."""
    return {"kid": kid, **record}


def life(second: Jwk) -> KeyLife:
    """Return the life of a key that stands behind the one that signs."""
    return lives([key("first"), second], lifetime_s=LIFETIME_S, changed_at=CHANGED_AT)[1]


def test_the_key_that_signs_is_needed_without_an_end() -> None:
    """Its age is known from the file."""
    [first] = lives([key("a", iat=1000)], lifetime_s=LIFETIME_S, changed_at=CHANGED_AT)

    assert KeyLife(1000, signs=True, needed_until=None) == first


def test_a_key_that_signed_is_needed_as_long_as_what_it_signed_last() -> None:
    """And a minute more, in which services notice that another key signs."""
    assert 2000 + LIFETIME_S + NOTICED_S == life(key("b", signed_until=2000)).needed_until


def test_a_key_that_never_signed_is_not_needed() -> None:
    """One that was made known and not promoted."""
    assert 0 == life(new(key("b"), signs=False, now=4000)).needed_until


@pytest.mark.parametrize(
    "record", [{}, {SIGNED_UNTIL: "soon"}, {SIGNED_UNTIL: -1}, {SIGNED_UNTIL: 2**60}, {SIGNED_UNTIL: True}]
)
def test_a_key_without_a_record_signed_until_the_file_changed(record: dict[str, Any]) -> None:
    """One of another tool, or moved by hand: rather too long than too short."""
    assert CHANGED_AT + LIFETIME_S + NOTICED_S == life(key("b", **record)).needed_until


@pytest.mark.parametrize("made", ["once", 1.5, -1, 2**60])
def test_a_file_may_say_anything_of_an_age(made: object) -> None:
    """What is no time is not known."""
    assert life(key("b", iat=made)).made_at is None


def test_a_new_key_takes_over() -> None:
    """It signs from now on; the one before it signed until now; older ones stay as they were."""
    keys = [key("b", iat=2), key("a", iat=1, signed_until=2)]
    after = in_front(new(key("c"), signs=True, now=9), keys, now=9)

    assert [key("c", iat=9), key("b", iat=2, signed_until=9), key("a", iat=1, signed_until=2)] == after


def test_a_promoted_key_takes_over() -> None:
    """It is one of them, and its record of not signing goes."""
    keys = [key("a", iat=1), new(key("b"), signs=False, now=2)]

    assert [key("b", iat=2), key("a", iat=1, signed_until=9)] == in_front(keys[1], keys, now=9)


def test_the_key_that_signs_may_be_promoted() -> None:
    """Nothing changes."""
    keys = [key("b", iat=2), key("a", iat=1, signed_until=2)]

    assert keys == in_front(keys[0], keys, now=9)
    assert {MADE: 2} == {name: value for name, value in keys[0].items() if name != "kid"}
