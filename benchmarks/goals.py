"""Checks the goals of the design: ``make bench-check``. Exit status 1 if one is missed.

    python -m benchmarks.goals [--margin 0.05] [--quick]

Every goal may be missed by the margin: on a machine that does other work, too, even a ratio of one run swings by a few
per cent. Most are held by scripts of their own, which print what they measured; those beside peers are read from one
run of ``benchmarks.side_by_side``. A goal whose peer cannot be installed is named and left out; one that was not
measured for any other reason has failed.
"""

import argparse
import json
import re
import signal
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.scripts import printed_by
from benchmarks.side_by_side import results

LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that is not to fall below *bound*; with *at_most*, not to rise above it."""

    what: str
    bound: float
    at_most: bool = False

    def holds(self, figure: float, margin: float) -> bool:
        """Whether *figure* reaches the goal, or misses it by no more than *margin*, a share of it."""
        return figure <= self.bound * (1 + margin) if self.at_most else figure >= self.bound * (1 - margin)


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no figure. Only a peer that cannot be had here excuses that: whatever else failed may hide a miss."""

    why: str
    excused: bool = False


# What to measure, with which script, how to measure less, and what stands before the figure in what it prints.
SCRIPTS = (
    (
        Goal("GET /home ÷ the same handler without auth", 0.95),
        ["-m", "benchmarks.resource_auth_ratio"],
        ["--restarts", "2"],
        r"ratio, round by round: median",
    ),
    (
        Goal("durable POST /refresh ÷ a bare aiohttp JSON echo", 0.6),
        ["-m", "benchmarks.refresh_ratio"],
        ["--rounds", "3"],
        r"refresh ÷ echo on uvloop: median",
    ),
    (
        Goal("BearerAuth ÷ a bare ClientSession", 0.95),
        ["benchmarks/client_overhead.py"],
        ["--rounds", "21"],
        r"^ratio",
    ),
    (
        Goal("durable POST /refresh with 10 million sessions ÷ with 10 thousand", 0.9),
        ["-m", "benchmarks.refresh_ratio", "--sessions", "10000", "10000000"],
        ["--sessions", "10000", "1000000", "--rounds", "3"],
        r"sessions ÷ 10,000 sessions: median",
    ),
    (
        Goal("p99 of /refresh under a log-in flood ÷ unloaded", 3, at_most=True),
        ["-m", "benchmarks.login_flood"],
        ["--rounds", "1"],
        r"^p99 under the flood ÷ unloaded:",
    ),
    (
        Goal("log-out to 401 on every worker, p99 in milliseconds", 1000, at_most=True),
        ["-m", "benchmarks.logout_latency"],
        ["--logouts", "20"],
        r"every worker .* p99",
    ),
)
PEERS = (
    (Goal("rotations ÷ Express + jsonwebtoken", 3.0), "Express + jsonwebtoken"),
    (Goal("rotations ÷ node oidc-provider", 2.0), "node oidc-provider"),
    (Goal("rotations ÷ djangorestframework-simplejwt", 50.0), "djangorestframework-simplejwt"),
    (Goal("rotations ÷ django-oauth-toolkit", 50.0), "django-oauth-toolkit"),
)


def own_figure(command: Sequence[str], before: str) -> float | None:
    """Run one of our scripts, showing what it prints; return its figure, None if it told none."""
    printed = printed_by(command, LIMIT_S)
    print(printed, flush=True)
    return figure_in(printed, before)


def figure_in(printed: str, before: str) -> float | None:
    """Return the first number after what the pattern *before* finds; None if there is none."""
    found = re.search(rf"{before}\s+(\d+(?:\.\d+)?)", printed, re.MULTILINE)
    return None if found is None else float(found[1])


def beside_peers(rounds: Sequence[str]) -> dict[str, Any]:
    """Measure rotations beside the peers; return the figures, none if there are none."""
    path = results("refresh")
    path.unlink(missing_ok=True)  # those of another run are no figures of this one
    print(printed_by(["-m", "benchmarks.side_by_side", "--only", "refresh", *rounds], LIMIT_S), flush=True)
    figures: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return figures


def peer_ratio(figures: dict[str, Any], peer: str) -> float | Missing:
    """Return our rate ÷ the peer's, the median of the rounds."""
    if "refresh" not in figures:
        return Missing("no figure was told")
    series = {each["name"]: each for each in figures["refresh"]}
    ours, theirs = series["dualtoken"], series[peer]
    for each in (ours, theirs):
        if each["failure"] is not None:
            return Missing(f"{each['name']} failed: {each['failure']}")
    if ours["left_out"] is not None:
        return Missing(f"dualtoken was left out: {ours['left_out']}")
    if theirs["left_out"] is not None:
        return Missing(theirs["left_out"], excused=True)
    pairs = zip(ours["per_second"], theirs["per_second"], strict=True)
    return statistics.median(mine / its for mine, its in pairs)


def judge(goal: Goal, figure: float | Missing, margin: float) -> tuple[bool, str]:
    """Say whether *figure* reaches *goal* within *margin*, and the line that tells it."""
    if isinstance(figure, Missing):
        return figure.excused, f"{'left out' if figure.excused else 'FAILED':8}  {goal.what}: {figure.why}"
    held = goal.holds(figure, margin)
    bound = f"at most {goal.bound:g}" if goal.at_most else f"{goal.bound:g}"
    return held, f"{'reached' if held else 'MISSED ':8}  {goal.what}: {figure:.2f}, goal {bound}"


def main() -> None:
    """Measure all; exit 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--margin", type=float, default=0.05)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before all was measured"))  # and what runs ends with it
    verdicts = []
    for goal, command, quick, before in SCRIPTS:
        figure = own_figure([*command, *(quick if options.quick else [])], before)
        verdicts.append(judge(goal, Missing("no figure was told") if figure is None else figure, options.margin))
    figures = beside_peers(["--rounds", "2", "--seconds", "1"] if options.quick else [])
    verdicts += [judge(goal, peer_ratio(figures, peer), options.margin) for goal, peer in PEERS]
    print("\n".join(line for _, line in verdicts))
    sys.exit(not all(held for held, _ in verdicts))


if __name__ == "__main__":
    main()
