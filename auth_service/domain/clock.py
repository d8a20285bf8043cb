"""The clocks that the rules are given: injected, so that a test can move them."""

import sys
import time
from collections.abc import Callable
from typing import Final

Clock = Callable[[], int]
"""Returns milliseconds since the epoch, UTC."""

# Both run on while the machine sleeps, and nobody can set them. Elsewhere (Windows) the monotonic clock does so.
_STEADY: Final = {"linux": "CLOCK_BOOTTIME", "darwin": "CLOCK_MONOTONIC_RAW"}.get(sys.platform, "CLOCK_MONOTONIC")


def wall_clock() -> int:
    """Return milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def _steady() -> Clock:
    clock_id = getattr(time, _STEADY, None)
    if clock_id is None:
        return lambda: time.monotonic_ns() // 1_000_000
    return lambda: time.clock_gettime_ns(clock_id) // 1_000_000


steady_clock: Final = _steady()
"""Returns milliseconds from an arbitrary point in time; they pass, awake or asleep, whatever becomes of the date."""
