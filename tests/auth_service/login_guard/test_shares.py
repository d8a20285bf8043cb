"""How many places of the hashing queue anybody may take."""

import pytest

from dualtoken.auth_service.errors import Busy
from dualtoken.auth_service.login_guard.shares import Asker, Shares
from dualtoken.auth_service.login_guard.throttle import asker_of

PLACES = 16


@pytest.fixture
def shares() -> Shares:
    """Sixteen places."""
    return Shares(PLACES)


def take_all(shares: Shares, *askers: Asker | None) -> int:
    """Return how many places the askers get, one after the other."""
    for number, asker in enumerate(askers):
        try:
            shares.take(asker)
        except Busy:
            return number
    return len(askers)


def test_one_user_gets_a_quarter(shares: Shares) -> None:
    """From however many networks; others have the rest."""
    crowd = [Asker("zs", f"192.0.2.{number}") for number in range(PLACES)]

    assert 4 == take_all(shares, *crowd)
    assert 12 == take_all(shares, *(Asker(f"name {number}", f"198.51.100.{number}") for number in range(PLACES)))


def test_one_network_gets_half(shares: Shares) -> None:
    """With however many names."""
    assert 8 == take_all(shares, *(Asker(f"name {number}", "192.0.2.1") for number in range(PLACES)))
    assert 8 == take_all(shares, *(Asker(f"name {number}", f"198.51.100.{number}") for number in range(PLACES)))


def test_one_site_gets_half(shares: Shares) -> None:
    """Whoever has a /48 of IPv6 has 65,536 networks; others still have their places."""
    networks = [asker_of(f"name {number}", f"2001:db8:1:{number:x}::1") for number in range(PLACES)]

    assert 8 == take_all(shares, *networks)
    assert 8 == take_all(shares, *(asker_of(f"name {number}", f"2001:db8:{number:x}::1") for number in range(2, 50)))


def test_all_suspects_together_get_half(shares: Shares) -> None:
    """Fifty networks that guess leave the other half to those that do not."""
    guessers = [Asker(f"name {number}", f"192.0.2.{number}", is_suspect=True) for number in range(50)]

    assert 8 == take_all(shares, *guessers)
    assert 8 == take_all(shares, *(Asker(f"user {number}", f"198.51.100.{number}") for number in range(PLACES)))


def test_nobody_gets_more_than_there_is(shares: Shares) -> None:
    """Work of the service itself is bounded as well."""
    assert PLACES == take_all(shares, *[None] * 20)
    with pytest.raises(Busy):
        shares.require_room(None)


def test_of_few_places_everybody_may_have_one() -> None:
    """A share is never nothing."""
    shares = Shares(1)

    assert 1 == take_all(shares, Asker("zs", "192.0.2.1", is_suspect=True))


def test_a_place_is_free_when_all_who_hold_it_have_let_go(shares: Shares) -> None:
    """A thread that still computes keeps the place of a caller who has gone; each change is told."""
    told: list[int] = []
    shares.on_change = told.append
    place = shares.take(Asker("zs", "192.0.2.1"))
    place.hold()
    place.let_go()
    assert 1 == shares.taken
    place.let_go()

    assert 0 == shares.taken
    assert [1, 0] == told
    assert 4 == take_all(shares, *[Asker("zs", "192.0.2.1")] * 5)
