"""Whether a process that runs for long keeps its memory level."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median

import psutil

_MIB = 1024 * 1024
_GROWTH = 1.05  # of the second quarter of the time to the last: sessions and tokens come and go
_SLACK = 2 * _MIB
_WINDOWS = 20
_LOOK_EVERY_S = 0.05


@dataclass
class Memory:
    """Bytes resident: the least of each of several windows of time, for a password hash takes 64 MiB while it lasts."""

    name: str
    least: list[int] = field(default_factory=list)

    def quarter(self, number: int) -> float:
        """Return the median of the first (0) to the last (3) quarter of the time, in MiB."""
        size = len(self.least)
        return median(self.least[number * size // 4 : (number + 1) * size // 4]) / _MIB

    def is_level(self) -> bool:
        """Whether the last quarter is hardly more than the second: the first warms up."""
        return self.quarter(3) * _MIB <= self.quarter(1) * _MIB * _GROWTH + _SLACK

    def __str__(self) -> str:
        """Return the medians of the second and the last quarter."""
        return f"{self.quarter(1):.1f} → {self.quarter(3):.1f} MiB"


@asynccontextmanager
async def watched(memories: Sequence[tuple[Memory, int]], seconds: float) -> AsyncIterator[None]:
    """Look at processes, given by id, until the end of the block, which takes about so many *seconds*."""
    task = asyncio.create_task(
        _look([(memory, psutil.Process(pid)) for memory, pid in memories], max(seconds / _WINDOWS, _LOOK_EVERY_S))
    )
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _look(processes: Sequence[tuple[Memory, psutil.Process]], window_s: float) -> None:
    while True:
        until = time.monotonic() + window_s
        seen = [process.memory_info().rss for _, process in processes]
        while time.monotonic() < until:
            await asyncio.sleep(_LOOK_EVERY_S)
            seen = [min(least, process.memory_info().rss) for least, (_, process) in zip(seen, processes, strict=True)]
        for (memory, _), least in zip(processes, seen, strict=True):
            memory.least.append(least)
