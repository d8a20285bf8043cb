"""Whether a process that runs for long keeps its memory level."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from statistics import median

import psutil

_MIB = 1024 * 1024
_GROWTH = 1.05  # of the second quarter of the time to the last: sessions and tokens come and go
_SLACK = 2 * _MIB
_LOOK_EVERY_S = 0.5
# What argon2id takes for each password, and gives back with the answer. The allocator maps no smaller piece so large.
_PASSWORD_HASH = 64 * _MIB


@dataclass
class Memory:
    """Bytes resident at each look, except in password hashes, and the most at once in these.

    Under log-ins there is hardly a moment without a hash: they would hide what grows beside them, or feign it.
    """

    name: str
    resident: list[int] = field(default_factory=list)
    hashing: int = 0

    def look(self, process: psutil.Process) -> None:
        """Add what the process has resident now."""
        mappings = process.memory_maps(grouped=False)
        hashing = sum(each.rss for each in mappings if each.path == "[anon]" and each.size >= _PASSWORD_HASH)
        self.resident.append(sum(each.rss for each in mappings) - hashing)
        self.hashing = max(self.hashing, hashing)

    def quarter(self, number: int) -> float:
        """Return the median of the first (0) to the last (3) quarter of the time, in MiB."""
        size = len(self.resident)
        return median(self.resident[number * size // 4 : (number + 1) * size // 4]) / _MIB

    def is_level(self) -> bool:
        """Whether the last quarter is hardly more than the second, and hashes were one for each core, or one more.

        The first quarter warms up.
        """
        level = self.quarter(3) * _MIB <= self.quarter(1) * _MIB * _GROWTH + _SLACK
        return level and self.hashing <= (psutil.cpu_count() + 1) * (_PASSWORD_HASH + _SLACK)

    def __str__(self) -> str:
        """Return the medians of the second and the last quarter, and the most in hashes."""
        hashing = f" + {self.hashing / _MIB:.0f}" if self.hashing else ""
        return f"{self.quarter(1):.1f} → {self.quarter(3):.1f}{hashing} MiB"


@asynccontextmanager
async def watched(memories: Sequence[tuple[Memory, int]]) -> AsyncIterator[None]:
    """Look at processes, given by id, until the end of the block."""
    task = asyncio.create_task(_look([(memory, psutil.Process(pid)) for memory, pid in memories]))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _look(processes: Sequence[tuple[Memory, psutil.Process]]) -> None:
    while True:
        for memory, process in processes:
            memory.look(process)
        await asyncio.sleep(_LOOK_EVERY_S)
