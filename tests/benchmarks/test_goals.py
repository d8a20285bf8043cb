"""How goals are judged."""

from dataclasses import asdict

import pytest

from benchmarks.goals import Goal, Missing, figure_in, judge, peer_ratio, scripts
from benchmarks.side_by_side import Series

GOAL = Goal("ours ÷ theirs", 3.0)


PRINTED = """
  auth  median    9000
  ratio, round by round: median 0.961  min 0.940  max 0.980
refresh ÷ echo on asyncio: median 0.700  min 0.600  max 0.700; goal 0.6
refresh ÷ echo on uvloop: median 0.600  min 0.500  max 0.700; goal 0.6
ratio                  0.971 (least 0.900, greatest 1.000)
10,000,000 sessions ÷ 10,000 sessions: median 0.952  min 0.940  max 0.960; goal 0.9
p99 under the flood ÷ unloaded: 1.07; goal 3.0
   service 2, worker 2  p50    101  p95    189  p99    201  max    230 ms  (100)
          every worker  p50    121  p95    199  p99    231  max    250 ms  (100)
"""


def test_the_figure_of_every_script_is_read() -> None:
    """Each script prints its figure in its own words."""
    patterns = [before for script in scripts(quick=False) for before in script.goals]

    assert [0.961, 0.6, 0.971, 0.952, 1.07, 231.0] == [figure_in(PRINTED, before) for before in patterns]


def test_a_script_without_a_figure_has_told_none() -> None:
    """A script that failed is not taken for one that reached its goal."""
    assert Missing("no figure was told") == figure_in("Traceback (most recent call last):", "median")


@pytest.mark.parametrize(
    ("ratio", "held", "verdict"),
    [(3.0, True, "reached"), (2.9, True, "within the margin"), (2.8, False, "MISSED")],
)
def test_a_goal_may_be_missed_by_the_margin(ratio: float, held: bool, verdict: str) -> None:
    """Noise is forgiven, but not called reached; a miss is neither."""
    assert (held, f"{verdict:17}  ours ÷ theirs: {ratio:.2f}, goal 3") == judge(GOAL, ratio, 0.05)


@pytest.mark.parametrize(
    ("milliseconds", "held", "verdict"),
    [(1000.0, True, "reached"), (1049.0, True, "within the margin"), (1051.0, False, "MISSED")],
)
def test_a_bound_from_above_is_not_exceeded(milliseconds: float, held: bool, verdict: str) -> None:
    """Of latencies less is better."""
    goal = Goal("latency", 1000, at_most=True)

    assert (held, f"{verdict:17}  latency: {milliseconds:.2f}, goal at most 1000") == judge(goal, milliseconds, 0.05)


def test_a_quick_run_names_what_it_measured() -> None:
    """A smaller table is not told as the one of the design."""
    whole, quick = ({goal.what for each in scripts(quick=how) for goal in each.goals.values()} for how in (False, True))

    assert {"durable POST /refresh with 1,000,000 sessions ÷ with 10,000"} == quick - whole


def test_only_a_peer_that_cannot_be_had_excuses_a_goal() -> None:
    """A goal is left out where its peer cannot be installed; whatever else kept it from being measured fails it."""
    left_out = judge(GOAL, Missing("no Node.js", excused=True), 0.05)
    failed = judge(GOAL, Missing("no figure was told"), 0.05)

    assert (True, "left out           ours ÷ theirs: no Node.js") == left_out
    assert (False, "FAILED             ours ÷ theirs: no figure was told") == failed


def series(name: str, *per_second: float, left_out: str | None = None, failure: str | None = None) -> dict[str, object]:
    """Make what the run side by side wrote of one server."""
    return asdict(Series(name, "", list(per_second), left_out=left_out, failure=failure))


def test_ratios_are_of_the_same_round() -> None:
    """Each of our rounds is divided by the peer's round beside it."""
    figures = {"refresh": [series("dualtoken", 100.0, 300.0, 50.0), series("peer", 50.0, 100.0, 50.0)]}

    assert 2.0 == peer_ratio(figures, "peer")


def test_a_peer_that_failed_is_told_apart_from_one_that_cannot_be_had() -> None:
    """Figures of half a run are none, and no excuse."""
    ours = series("dualtoken", 100.0)
    failed = peer_ratio({"refresh": [ours, series("peer", failure="under load: reset")]}, "peer")
    left_out = peer_ratio({"refresh": [ours, series("peer", left_out="no Node.js")]}, "peer")

    assert Missing("peer failed: under load: reset") == failed
    assert Missing("no Node.js", excused=True) == left_out


@pytest.mark.parametrize("why", [{"failure": "under load: reset"}, {"left_out": "no Python"}])
@pytest.mark.parametrize("peer", [{}, {"left_out": "no Node.js"}])
def test_no_peer_excuses_our_own_failure(why: dict[str, str], peer: dict[str, str]) -> None:
    """Without figures of ours, no goal beside a peer is held, whether the peer can be had or not."""
    figures = {"refresh": [series("dualtoken", **why), series("peer", 50.0, **peer)]}

    missing = peer_ratio(figures, "peer")

    assert isinstance(missing, Missing)
    assert not missing.excused
