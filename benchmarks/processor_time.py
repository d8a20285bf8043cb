"""Whose processor time a benchmark is made of: other work on the machine disturbs it less than any rate."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.http_load import Load


def tree(pid: int) -> Callable[[], list[psutil.Process]]:
    """Return what lists a process and all that it has started by then."""
    process = psutil.Process(pid)
    return lambda: [process, *process.children(recursive=True)]


class Meters:
    """Seconds so far: of the services that this process has started, of a *database* among them, of the load itself."""

    def __init__(self, database: Callable[[], list[psutil.Process]] = list) -> None:
        self._database, self._own = database, tree(os.getpid())

    def __call__(self) -> dict[str, float]:
        """Return the processor time of each, by name."""
        database = [each.pid for each in self._database()]
        apart = {os.getpid(), *database}
        taken = {
            "service": _cpu_s(each.pid for each in self._own() if each.pid not in apart),
            "load": time.process_time(),
        }
        return taken | ({"database": _cpu_s(database)} if database else {})


def _cpu_s(pids: Iterable[int]) -> float:
    """Sum up what the threads of processes took; what has ended counts no more."""
    total_ns = 0
    for pid in pids:
        # The times of psutil are told in steps of 10 ms, these to the nanosecond.
        for told in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with suppress(OSError):
                total_ns += int(told.read_text().split()[0])
    return total_ns / 1e9


def per_request_us(loads: Sequence[Load], whose: str = "service") -> list[float]:
    """Return what a request took of whom, turn by turn, in microseconds."""
    return [load.cpu_s[whose] / load.requests * 1e6 for load in loads]
