"""Checks the goals of the design: ``make bench-check``. Exit status 1 if one is missed.

    python -m benchmarks.goals [--margin 0.05] [--quick]

The exit status forgives a goal that is missed by no more than the margin: on a machine that does other work, too, even
a ratio of one run swings by a few per cent. Such a goal is said to be within the margin, not to be reached.

Most are held by scripts of their own, which print what they measured; those beside peers are read from one run of
``benchmarks.side_by_side``. A goal whose peer cannot be installed is named and left out; one that was not measured for
any other reason has failed.
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

LIMIT_S = 1200.0  # of a script; the longest verifies a million tokens


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that is not to fall below *bound*; with *at_most*, not to rise above it."""

    what: str
    bound: float
    at_most: bool = False

    def reached(self, figure: float, margin: float = 0.0) -> bool:
        """Whether *figure* reaches the goal, or misses it by no more than *margin*, a share of it."""
        return figure <= self.bound * (1 + margin) if self.at_most else figure >= self.bound * (1 - margin)


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no figure. Only a peer that cannot be had here excuses that: whatever else failed may hide a miss."""

    why: str
    excused: bool = False


NOT_TOLD = Missing("no figure was told")


@dataclass(frozen=True, slots=True)
class Script:
    """Measures one goal or more.

    Attributes:
        command: the arguments of Python.
        goals: each by a pattern of what stands before its figure in what the script prints.
    """

    command: tuple[str, ...]
    goals: dict[str, Goal]


def scripts(*, quick: bool) -> tuple[Script, ...]:
    """Return what measures our goals; *quick*: in fewer rounds, and on a smaller scale."""
    return (*_of_rates(quick=quick), *_of_promises(quick=quick))


def _fewer(quick: bool, *options: str) -> tuple[str, ...]:
    return options if quick else ()


def _of_rates(*, quick: bool) -> tuple[Script, ...]:
    many = 1_000_000 if quick else 10_000_000
    return (
        Script(
            ("-m", "benchmarks.resource_auth_ratio", "--feed", *_fewer(quick, "--restarts", "2")),
            {
                r"auth ÷ auth open: median": Goal("GET /home ÷ the same handler without auth", 0.95),
                r"feed ÷ feed open: median": Goal("GET /home, following revocations ÷ the same", 0.95),
            },
        ),
        Script(
            ("-m", "benchmarks.refresh_ratio", *_fewer(quick, "--rounds", "20")),
            {r"refresh ÷ echo on asyncio: median": Goal("durable POST /refresh ÷ a bare aiohttp JSON echo", 0.6)},
        ),
        Script(
            ("benchmarks/client_overhead.py", *_fewer(quick, "--rounds", "21")),
            {r"BearerAuth ÷ bare: median": Goal("BearerAuth ÷ a bare ClientSession", 0.95)},
        ),
        Script(
            ("-m", "benchmarks.refresh_ratio", "--sessions", "10000", str(many), *_fewer(quick, "--rounds", "20")),
            {r"÷ 10,000 sessions: median": Goal(f"durable POST /refresh with {many:,} sessions ÷ with 10,000", 0.9)},
        ),
    )


def _of_promises(*, quick: bool) -> tuple[Script, ...]:
    tokens = 100_000 if quick else 1_000_000
    flood = Goal("p99 of /refresh under a log-in flood ÷ unloaded", 3, at_most=True)
    return (
        Script(
            ("-m", "benchmarks.expiry", "--requests", "10000", *_fewer(quick, "--rounds", "1")),
            {
                r"at expiry: refresh calls at most": Goal("refreshes of 10,000 requests at expiry", 1, at_most=True),
                r"failed requests at most": Goal("failures of 10,000 requests at expiry", 0, at_most=True),
            },
        ),
        Script(
            ("-m", "benchmarks.login_flood", *_fewer(quick, "--rounds", "1")),
            {r"^p99 under the flood ÷ unloaded:": flood},
        ),
        Script(
            ("-m", "benchmarks.logout_latency", *_fewer(quick, "--logouts", "20")),
            {r"every worker .* p99": Goal("log-out to 401 on every worker, p99 in milliseconds", 1000, at_most=True)},
        ),
        Script(
            ("-m", "benchmarks.resource_verifier_memory", "--tokens", str(tokens)),
            # Flat is 1; what the script itself allows is the margin.
            {r"÷ after it:": Goal(f"memory after {tokens:,} tokens ÷ after the first tenth", 1, at_most=True)},
        ),
    )


PEERS = (
    (Goal("rotations ÷ Express + jsonwebtoken", 3.0), "Express + jsonwebtoken"),
    (Goal("rotations ÷ node oidc-provider", 2.0), "node oidc-provider"),
    (Goal("rotations ÷ djangorestframework-simplejwt", 50.0), "djangorestframework-simplejwt"),
    (Goal("rotations ÷ django-oauth-toolkit", 50.0), "django-oauth-toolkit"),
)


def own_figures(script: Script) -> list[tuple[Goal, float | Missing]]:
    """Run one of our scripts, showing what it prints; return each of its goals with its figure."""
    printed = printed_by(script.command, LIMIT_S)
    print(printed, flush=True)
    return [(goal, figure_in(printed, before)) for before, goal in script.goals.items()]


def figure_in(printed: str, before: str) -> float | Missing:
    """Return the first number after what the pattern *before* finds."""
    found = re.search(rf"{before}\s+(\d+(?:\.\d+)?)", printed, re.MULTILINE)
    return NOT_TOLD if found is None else float(found[1])


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
        return NOT_TOLD
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
    """Say whether *goal* is held, noise of *margin* forgiven, and the line that tells it."""
    if isinstance(figure, Missing):
        return figure.excused, line("left out" if figure.excused else "FAILED", goal, figure.why)
    bound = f"at most {goal.bound:g}" if goal.at_most else f"{goal.bound:g}"
    told = f"{figure:.2f}, goal {bound}"
    if goal.reached(figure):
        return True, line("reached", goal, told)
    held = goal.reached(figure, margin)
    return held, line("within the margin" if held else "MISSED", goal, told)


def line(verdict: str, goal: Goal, told: str) -> str:
    """Write a verdict beside its goal."""
    return f"{verdict:17}  {goal.what}: {told}"


def main() -> None:
    """Measure all; exit 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--margin", type=float, default=0.05)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, on a smaller scale")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before all was measured"))  # and what runs ends with it
    figures = [figure for script in scripts(quick=options.quick) for figure in own_figures(script)]
    peers = beside_peers(["--rounds", "2", "--seconds", "1"] if options.quick else [])
    figures += [(goal, peer_ratio(peers, peer)) for goal, peer in PEERS]
    verdicts = [judge(goal, figure, options.margin) for goal, figure in figures]
    print("\n".join(told for _, told in verdicts))
    sys.exit(not all(held for held, _ in verdicts))


if __name__ == "__main__":
    main()
