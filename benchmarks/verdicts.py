"""Goals, the figures that scripts print, and what the one says of the other."""

import re
from dataclasses import dataclass, replace

from benchmarks.ratios import Ratio

REACHED, WITHIN, MISSED, FAILED = "reached", "within the margin", "MISSED", "FAILED"
AS_KNOWN, CANNOT_TELL, LEFT_OUT = "MISSED, as known", "CANNOT TELL", "left out"
HELD = frozenset({REACHED, WITHIN, AS_KNOWN, LEFT_OUT})
_NUMBER = r"(\d+(?:\.\d+)?)"
_INTERVAL = re.compile(rf"\s*(?:median {_NUMBER}|cannot tell:)\s+95 % {_NUMBER} to {_NUMBER}")
_COUNT = re.compile(rf"\s*{_NUMBER}")


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that is not to fall below *bound*; with *at_most*, not to rise above it.

    *known* is the figure of a miss that docs/performance.md explains: the goal stands, and no run may be worse.
    """

    what: str
    bound: float
    at_most: bool = False
    known: float | None = None

    def reached(self, figure: float, margin: float = 0.0) -> bool:
        """Whether *figure* reaches the goal, or misses it by no more than *margin*, a share of it."""
        return figure <= self.bound * (1 + margin) if self.at_most else figure >= self.bound * (1 - margin)

    def __str__(self) -> str:
        """Return the bound in words."""
        known = "" if self.known is None else f", {self.known:g} so far"
        return f"goal {'at most ' if self.at_most else ''}{self.bound:g}{known}"


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no figure. Only what cannot be had here excuses that: whatever else failed may hide a miss."""

    why: str
    excused: bool = False


NOT_TOLD = Missing("no figure was told")


def figure_in(printed: str, before: str) -> Ratio | Missing:
    """Return the figure after what the pattern *before* finds, its interval with it where one stands there."""
    found = re.search(before, printed, re.MULTILINE)
    if found is None:
        return NOT_TOLD
    if interval := _INTERVAL.match(printed, found.end()):
        low, high = float(interval[2]), float(interval[3])
        return Ratio(float(interval[1]) if interval[1] else (low + high) / 2, low, high)
    if excuse := re.compile(r"\s*left out: (.+)").match(printed, found.end()):
        return Missing(excuse[1], excused=True)
    count = _COUNT.match(printed, found.end())
    return NOT_TOLD if count is None else Ratio(*[float(count[1])] * 3)


def judge(goal: Goal, figure: Ratio | Missing, margin: float) -> tuple[str, str]:
    """Return the verdict on *goal*, noise of *margin* forgiven, and the line that tells it."""
    if isinstance(figure, Missing):
        verdict = LEFT_OUT if figure.excused else FAILED
        return verdict, line(verdict, goal, figure.why)
    verdict = verdict_on(goal, figure, margin)
    if verdict == MISSED and goal.known is not None:
        no_worse = verdict_on(replace(goal, bound=goal.known), figure, margin)
        verdict = no_worse if no_worse in (MISSED, CANNOT_TELL) else AS_KNOWN
    told = f"{figure.median:.2f}" if figure.tells else f"between {figure.low:.2f} and {figure.high:.2f}"
    return verdict, line(verdict, goal, f"{told}, {goal}")


def verdict_on(goal: Goal, figure: Ratio, margin: float = 0.0) -> str:
    """Judge by the median; where the rounds differ too much, by the whole interval, if all of it is on one side."""
    worst, best = (figure.high, figure.low) if goal.at_most else (figure.low, figure.high)
    if not figure.tells:
        if goal.reached(worst):
            return REACHED
        return CANNOT_TELL if goal.reached(best, margin) else MISSED
    if goal.reached(figure.median):
        return REACHED
    return WITHIN if goal.reached(figure.median, margin) else MISSED


def line(verdict: str, goal: Goal, told: str) -> str:
    """Write a verdict beside its goal."""
    return f"{verdict:17}  {goal.what}: {told}"
