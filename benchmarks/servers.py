"""Server processes for benchmarks: pinned to one core each, ended at the end."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def cores() -> tuple[int, int]:
    """Return the core for servers and the core for the load."""
    available = sorted(os.sched_getaffinity(0))
    return available[0], available[-1]


@contextlib.contextmanager
def server(*command: str, core: int | None, **settings: str) -> Iterator[int]:
    """Start ``python *command*`` pinned to *core*, or to none; give the port of the line that it prints when ready."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=REPOSITORY,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().rpartition(":")[2])
    finally:
        process.terminate()
        process.communicate()  # waits, and closes the pipe
