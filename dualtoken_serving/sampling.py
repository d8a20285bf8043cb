"""Log lines that a stranger can cause for nothing, kept few: a flood must not cost the disk."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

_MAX_KEYS = 4096


class LogSampler:
    """Lets one of a kind through in a while, and counts what it leaves out."""

    def __init__(self, period_s: float, clock: Callable[[], float] | None = None) -> None:
        """*clock* in seconds; by default the monotonic one."""
        self._period_s, self._clock = period_s, clock or time.monotonic
        self._kinds: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def admit(self, kind: Hashable) -> int | None:
        """Return how many of *kind* were left out since the last that was let through, or None: leave this one out."""
        now = self._clock()
        last, omitted = self._kinds.get(kind, (-self._period_s, 0))
        if now - last < self._period_s:
            self._kinds[kind] = last, omitted + 1
            return None
        self._kinds[kind] = now, 0
        self._kinds.move_to_end(kind)
        if len(self._kinds) > _MAX_KEYS:  # kinds are chosen by strangers
            self._kinds.popitem(last=False)
        return omitted
