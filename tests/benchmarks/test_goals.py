"""How goals are judged."""

import pytest

from benchmarks.goals import Goal, judge, peer_ratio, ratio_in

GOAL = Goal("ours ÷ theirs", 3.0)


@pytest.mark.parametrize(
    "printed",
    [
        "per second\n  auth  median    9000\n  ratio, round by round: median 0.961  min 0.940  max 0.980",
        "         refresh median     5000/s\nrefresh ÷ echo: median 0.961  min 0.600  max 0.700; goal 0.6",
        "bare  8000 requests/s\nratio                  0.961 (least 0.900, greatest 1.000)",
    ],
)
def test_the_ratio_of_every_script_is_read(printed: str) -> None:
    """Each script prints its ratio in its own words."""
    assert 0.961 == ratio_in(printed)


def test_a_script_without_a_ratio_has_told_none() -> None:
    """A script that failed is not taken for one that reached its goal."""
    assert ratio_in("Traceback (most recent call last):") is None


@pytest.mark.parametrize(("ratio", "held"), [(3.1, True), (2.9, True), (2.8, False), (None, True)])
def test_a_goal_may_be_missed_by_the_margin(ratio: float | None, held: bool) -> None:
    """Noise is forgiven, a miss is not, and a peer that cannot be had is left out."""
    assert held is judge(GOAL, ratio, 0.05)[0]


def test_ratios_are_of_the_same_round() -> None:
    """Each of our rounds is divided by the peer's round beside it."""
    ours = {"name": "dualtoken", "left_out": None, "per_second": [100.0, 300.0, 50.0]}
    theirs = {"name": "peer", "left_out": None, "per_second": [50.0, 100.0, 50.0]}

    assert 2.0 == peer_ratio({"refresh": [ours, theirs]}, "peer")


def test_a_peer_that_failed_has_no_ratio() -> None:
    """Figures of half a run are none."""
    ours = {"name": "dualtoken", "left_out": None, "per_second": [100.0]}
    theirs = {"name": "peer", "left_out": "failed under load", "per_second": []}

    assert peer_ratio({"refresh": [ours, theirs]}, "peer") is None
