"""How long tokens are good for."""

import pytest

from dualtoken.client import Tokens
from dualtoken.client.tokens import TimedTokens, timed, timed_from_storage

NOW = 5000.0


def tokens(expires_in: float | None, *, obtained_at: float = 0.0) -> Tokens:
    """Return tokens of that life."""
    return Tokens("access-secret", "refresh-secret", obtained_at, expires_in)


def deadlines(timed: TimedTokens) -> tuple[float, float]:
    """Return the beginning of the background window and the end, from now."""
    return timed.renew_at - NOW, timed.expires_at - NOW


@pytest.mark.parametrize(
    ("expires_in", "expected"),
    [
        pytest.param(3600, (3540, 3600), id="at most a minute"),
        pytest.param(300, (270, 300), id="a tenth"),
        pytest.param(2.5, (2.25, 2.5), id="a tenth of a short life"),
    ],
)
def test_the_background_window_is_the_last_tenth_and_a_minute_at_most(
    expires_in: float, expected: tuple[float, float]
) -> None:
    """A token is renewed ahead in the last tenth of its life, at most a minute."""
    assert expected == deadlines(timed(tokens(expires_in), now=NOW, age=0))


def test_the_round_trip_counts_as_life() -> None:
    """Expiry is counted from when the request was sent, not from when the answer came."""
    assert (265, 295) == deadlines(timed(tokens(300), now=NOW, age=5))


def test_without_expires_in_only_a_401_tells() -> None:
    """RFC 6749 §5.1: expires_in may be missing; such a token is used until it is refused."""
    assert (float("inf"), float("inf")) == deadlines(timed(tokens(None), now=NOW, age=5))


@pytest.mark.parametrize("expires_in", [0, 0.2, 4])
def test_a_life_shorter_than_the_round_trip_is_a_second(expires_in: float) -> None:
    """A token that has just come is used for a second, so that a burst costs one refresh, whatever its life."""
    assert 1 == deadlines(timed(tokens(expires_in), now=NOW, age=5))[1]


def test_a_negative_age_adds_no_life() -> None:
    """A clock that went back between question and answer does not prolong a token."""
    assert (270, 300) == deadlines(timed(tokens(300), now=NOW, age=-50))


def test_a_stored_token_ages_by_the_wall_clock() -> None:
    """Another process, or an earlier run, got it some time ago."""
    assert (170, 200) == deadlines(timed_from_storage(tokens(300, obtained_at=900), now=NOW, wall=1000))


def test_a_stored_token_that_has_run_out_gets_no_grace() -> None:
    """An old token file costs a refresh, not a 401."""
    assert (0, 0) == deadlines(timed_from_storage(tokens(300, obtained_at=0), now=NOW, wall=300))


def test_a_wall_clock_that_went_back_does_not_prolong_a_stored_token() -> None:
    """What seems to come from the future is as good as new, not better."""
    assert (270, 300) == deadlines(timed_from_storage(tokens(300, obtained_at=10_000), now=NOW, wall=0))


def test_tokens_do_not_show_in_their_repr() -> None:
    """A repr ends up in logs."""
    assert "secret" not in repr(timed(tokens(300), now=NOW, age=0))
