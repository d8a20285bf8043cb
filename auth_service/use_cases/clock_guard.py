"""A clock that stops telling the time when the time cannot be true.

A clock that is set days ahead would call every session expired, and the clean-up would delete what still lives. So the
wall clock is compared with what the database says: its own clock (PostgreSQL), or the newest moment that stands in it
(SQLite), and with a clock that nobody can set. While they differ by far, each use of the time raises ``ClockDiffers``.

What stands in PostgreSQL tells the time by its clock, on which all replicas agree: who was first, and how long ago,
must not depend on whose machine is slow.
"""

import asyncio
from contextlib import suppress
from typing import Final

import structlog

from ..domain.clock import Clock
from ..errors import ClockDiffers, Unavailable
from ..events.events import Events
from ..store import Store

_TOLERANCE_MS: Final = 300_000  # as Kerberos has it (RFC 4120 §8.2)
# Without a clock to ask, a machine that was paused looks like one whose clock was set ahead. Sessions live for days.
_LONGEST_SLEEP_MS: Final = 86_400_000
_INTERVAL_S, _PAUSE_S = 10.0, 1.0

log = structlog.get_logger(__name__)


class ClockGuard:
    """The wall clock, while it can be believed: call it for milliseconds since the epoch.

    Args:
        store: whose database is asked.
        wall: milliseconds since the epoch.
        steady: milliseconds from any point in time; nobody can set it.
        events: where the difference is told.
    """

    def __init__(self, store: Store, wall: Clock, steady: Clock, events: Events) -> None:
        self._store, self._wall, self._steady, self._events = store, wall, steady, events
        self._doubted = asyncio.Event()
        self._is_believed = True
        # The earliest and the latest that the time may be, each less the steady clock.
        self._earliest: int | None = None
        self._latest = wall() - steady() + _LONGEST_SLEEP_MS
        self._server: int | None = None  # the server's clock, less the steady one

    def __call__(self) -> int:
        """Return the time.

        Raises:
            ClockDiffers: it differs by far from what the database says, or has jumped since it was last compared.
        """
        now, passed = self._wall(), self._steady()
        if self._is_plausible(now - passed):
            return now
        self._doubted.set()
        raise ClockDiffers(f"the clock of this machine says {now} ms since the epoch, which is implausible")

    def agreed(self) -> int:
        """Return the time by the database's clock, where it has one, which is every replica's.

        Raises:
            ClockDiffers: as ``__call__``.
        """
        now = self()
        return now if self._server is None else self._server + self._steady()

    def certain(self) -> int:
        """Return the latest time that has come by every account: what ended before it may be deleted.

        Raises:
            ClockDiffers: as ``__call__``.
        """
        now = self()
        return now if self._earliest is None else min(now, self._earliest + self._steady())

    async def compare(self) -> None:
        """Ask the database, and tell when the clock is not believed any more, or is again. Raises: Unavailable."""
        self._doubted.clear()
        asked = self._steady()
        reading, wall, passed = await self._store.read_clock(), self._wall(), self._steady()
        if reading.is_clock:
            # It was read at some moment in between. What was known before may be the better guess.
            earliest, latest = reading.at - passed, reading.at - asked
            known = (earliest + latest) // 2 if self._server is None else self._server
            self._server = min(max(known, earliest), latest)
            self._earliest, self._latest = reading.at - passed, reading.at - passed + _TOLERANCE_MS
        elif self._earliest is None:
            # Time goes on from there, also while nothing is written.
            self._earliest = (reading.at or wall) - passed
        is_believed = self._is_plausible(wall - passed)
        self._events.clock_compared(wall - passed - self._earliest, is_believed=is_believed, was=self._is_believed)
        self._is_believed = is_believed

    def _is_plausible(self, offset: int) -> bool:
        return offset <= self._latest and (self._earliest is None or self._earliest - _TOLERANCE_MS <= offset)

    async def run(self) -> None:
        """Compare now and then, and soon when a jump was noticed. What fails is tried again later."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._doubted.wait(), _INTERVAL_S)
            try:
                await self.compare()
            except Unavailable as exc:
                log.warning("clock.not_compared", problem=str(exc))
            await asyncio.sleep(_PAUSE_S)
