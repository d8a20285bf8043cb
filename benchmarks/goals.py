"""Checks the goals that ratios of one run can show: ``make bench-check``. Exit status 1 if one is missed.

    python -m benchmarks.goals [--margin 0.05] [--quick]

Every goal may be missed by the margin: on a machine that does other work, too, even a ratio of one run swings by a few
per cent. Goals of single ratios are held by scripts of their own, which print what they measured; those beside peers
are read from one run of ``benchmarks.side_by_side``. A goal whose peer cannot be installed is named and left out.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.servers import REPOSITORY
from benchmarks.side_by_side import RESULTS

LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio that is not to fall below *least*."""

    what: str
    least: float


# What to measure, with which script, and how to measure less.
SCRIPTS = (
    (
        Goal("GET /home ÷ the same handler without auth", 0.95),
        ["-m", "benchmarks.resource_auth_ratio"],
        ["--restarts", "2"],
    ),
    (
        Goal("durable POST /refresh ÷ a bare aiohttp JSON echo", 0.6),
        ["-m", "benchmarks.refresh_ratio"],
        ["--rounds", "3"],
    ),
    (
        Goal("BearerAuth ÷ a bare ClientSession", 0.95),
        ["benchmarks/client_overhead.py"],
        ["--rounds", "21"],
    ),
)
PEERS = (
    (Goal("rotations ÷ Express + jsonwebtoken", 3.0), "Express + jsonwebtoken"),
    (Goal("rotations ÷ node oidc-provider", 2.0), "node oidc-provider"),
    (Goal("rotations ÷ djangorestframework-simplejwt", 50.0), "djangorestframework-simplejwt"),
    (Goal("rotations ÷ django-oauth-toolkit", 50.0), "django-oauth-toolkit"),
)


def own_ratio(command: Sequence[str]) -> float | None:
    """Run one of our scripts, showing what it prints; return the ratio, None if it told none."""
    run = subprocess.run(
        [sys.executable, *command], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, timeout=LIMIT_S, check=False
    )
    print(run.stdout, flush=True)
    return ratio_in(run.stdout)


def ratio_in(printed: str) -> float | None:
    """Read the first ratio of what a script printed: ``ratio … median 0.987``, or ``ratio  0.987 (least …``."""
    for line in printed.splitlines():
        if ("ratio" in line or "÷" in line) and (found := re.search(r"(?:median|ratio)\s+(\d+\.\d+)", line)):
            return float(found[1])
    return None


def peer_ratio(figures: dict[str, Any], peer: str) -> float | None:
    """Return our rate ÷ the peer's, the median of the rounds; None if the peer was left out."""
    series = {each["name"]: each for each in figures["refresh"]}
    if series[peer]["left_out"] is not None or series["dualtoken"]["left_out"] is not None:
        return None
    pairs = zip(series["dualtoken"]["per_second"], series[peer]["per_second"], strict=True)
    return statistics.median(ours / theirs for ours, theirs in pairs)


def judge(goal: Goal, ratio: float | None, margin: float) -> tuple[bool, str]:
    """Say whether *ratio* reaches *goal* within *margin*, and the line that tells it."""
    if ratio is None:
        return True, f"left out  {goal.what}"
    held = ratio >= goal.least * (1 - margin)
    return held, f"{'reached' if held else 'MISSED ':8}  {goal.what}: {ratio:.2f}, goal {goal.least:g}"


def main() -> None:
    """Measure all; exit 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--margin", type=float, default=0.05)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    options = parser.parse_args()
    verdicts = []
    for goal, command, quick in SCRIPTS:
        ratio = own_ratio([*command, *(quick if options.quick else [])])
        # A script of ours that tells no ratio has failed: that is no reason to pass.
        verdicts.append(judge(goal, 0.0 if ratio is None else ratio, options.margin))
    rounds = ["--rounds", "2", "--seconds", "1"] if options.quick else []
    side_by_side = [sys.executable, "-m", "benchmarks.side_by_side", "--only", "refresh", *rounds]
    subprocess.run(side_by_side, cwd=REPOSITORY, check=True, timeout=LIMIT_S)
    figures = json.loads((RESULTS / "side-by-side.json").read_text())
    verdicts += [judge(goal, peer_ratio(figures, peer), options.margin) for goal, peer in PEERS]
    print("\n".join(line for _, line in verdicts))
    sys.exit(not all(held for held, _ in verdicts))


if __name__ == "__main__":
    main()
