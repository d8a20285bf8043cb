"""Server processes for benchmarks: each pinned to one core, ended at the end."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# Taken before a benchmark pins itself.
_ALL = os.sched_getaffinity(0)
REPOSITORY = Path(__file__).parents[1]


def cores() -> tuple[int, int]:
    """Return the core for servers and the core for the load."""
    available = sorted(_ALL)
    return available[0], available[-1]


@contextlib.contextmanager
def server(*command: str, core: int | None, **settings: str) -> Iterator[int]:
    """Start ``python *command*``, pinned to *core* if one is given; give the port of the line it prints when ready."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=REPOSITORY,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, _ALL if core is None else {core}),
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().rpartition(":")[2])
    finally:
        process.terminate()
        process.wait()
