"""The checker catches what it is there to catch: each test forges a history that breaks the promise in one way."""

import pytest

from tests.system.history import Event, Refused, Replayed, Rotated, Settled, violations

_FIRST = {"zs": "t0"}


def _good() -> list[Event]:
    return [
        Rotated("t0", "t1"),
        Rotated("t1", "t2", seen=False),
        Rotated("t1", "t2"),
        Settled("zs", "t2", "t3"),
        Replayed("zs", "t2", 400, "reused"),
    ]


def test_a_sound_history_passes() -> None:
    """A chain with a dropped answer, a retry, a calm end and a thief who was caught breaks nothing."""
    assert [] == violations(_good(), _FIRST)


@pytest.mark.parametrize(
    ("forged", "expected"),
    [
        (Refused("zs", "t1", "400 reused"), "zs was turned away: 400 reused"),
        (Rotated("t1", "other"), "a token has 2 successors"),
        (Rotated("t1", "other", seen=False), "a token has 2 successors"),
        (Rotated("t2", "t1"), "2 tokens share a successor"),
        (Rotated("from nowhere", "x"), "1 answered tokens lie on no chain"),
    ],
)
def test_one_event_too_many_is_caught(forged: Event, expected: str) -> None:
    """A refusal, a fork (of an answer that nobody heard, too), a stray token."""
    assert expected in violations([*_good(), forged], _FIRST)


def test_a_forgotten_answer_is_caught() -> None:
    """A client that was answered t3 and is later taken back to t2 was promised something that did not last."""
    events = [Rotated("t0", "t1"), Rotated("t1", "t2"), Rotated("t2", "t3"), Settled("zs", "t2", "t3")]

    assert "zs settled with another token than the one answered last" in violations(events, _FIRST)


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        (Settled, "zs did not settle"),
        (Replayed, "nobody replayed a token of zs"),
    ],
)
def test_an_unfinished_history_is_no_proof(missing: type[Event], expected: str) -> None:
    """A client whose last token was not tried, or whose spent token was not replayed, proves nothing."""
    events = [event for event in _good() if not isinstance(event, missing)]

    assert expected in violations(events, _FIRST)


@pytest.mark.parametrize(("status", "reason"), [(200, ""), (503, ""), (400, "revoked"), (400, "unknown")])
def test_a_thief_who_is_not_caught_is_a_violation(status: int, reason: str) -> None:
    """A spent token that is answered with anything but ``reused`` has started a branch, or ended too little."""
    events = [*_good()[:-1], Replayed("zs", "t2", status, reason)]

    assert [f"a spent token of zs was answered with {status} {reason}".rstrip()] == violations(events, _FIRST)


def test_a_thief_without_the_key_of_a_bound_session_does_nothing() -> None:
    """He is told so, and the client settles after him; to be found out by rotation would be an end that he caused."""
    *chain, settled, replayed = _good()
    unproven = Replayed("zs", "t2", 400, "unproven")

    assert [] == violations([*chain, unproven, settled], _FIRST, {"zs"})
    assert ["a spent token of zs was answered with 400 reused"] == violations(
        [*chain, replayed, settled], _FIRST, {"zs"}
    )


def test_a_chain_that_bites_its_tail_ends_the_check() -> None:
    """A successor that is an old token is caught, and walking the chain ends."""
    found = violations([Rotated("t0", "t1"), Rotated("t1", "t0")], _FIRST)

    assert "zs did not settle" in found
    assert found != ["zs did not settle"]
