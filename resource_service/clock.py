"""Seconds that pass, awake or asleep.

``time.monotonic`` stands still while a machine sleeps, on Linux and macOS: a feed that has been silent for a night
would seem to have answered just now. The wall clock runs on, and can be put forward or back.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

SLEEP_S: Final = 1.0  # by which the wall clock must have gone further than the monotonic one; less is noise


class PassingClock:
    """Counts what has passed since the last reading, by the monotonic or the wall clock, whichever says more.

    A wall clock that is put forward makes it run ahead: the feed counts as silent until it answers. One that is put
    back changes nothing.

    Args:
        monotonic: seconds; may stand still in sleep.
        wall: seconds since the epoch.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._now = self._monotonic_at = monotonic()
        self._wall_at = wall()

    def __call__(self) -> float:
        """Return seconds from an arbitrary point in time."""
        monotonic, wall = self._monotonic(), self._wall()
        awake_s, passed_s = monotonic - self._monotonic_at, wall - self._wall_at
        self._now += passed_s if passed_s > awake_s + SLEEP_S else awake_s
        self._monotonic_at, self._wall_at = monotonic, wall
        return self._now


def _passing() -> Callable[[], float]:
    try:
        time.clock_gettime(time.CLOCK_BOOTTIME)
    except (AttributeError, OSError):  # no Linux, or one that does not have it
        return PassingClock()
    return partial(time.clock_gettime, time.CLOCK_BOOTTIME)


passing_s: Final = _passing()
"""The clock of this process. Two clocks would disagree about a sleep that one of them has not seen yet."""
