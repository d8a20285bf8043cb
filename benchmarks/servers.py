"""Server processes for benchmarks: each pinned to one core, ended at the end."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

# Taken before a benchmark pins itself.
_ALL = os.sched_getaffinity(0)
REPOSITORY = Path(__file__).parents[1]
STOP_S = 10.0


def cores() -> tuple[int, int]:
    """Return the core for servers and the core for the load."""
    available = sorted(_ALL)
    return available[0], available[-1]


def end(child: "subprocess.Popen[Any]") -> None:
    """Ask a server to stop; kill it if it does not."""
    child.terminate()
    try:
        child.wait(STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def reason(error: Exception) -> str:
    """Say in one line, for a table, why something failed."""
    told = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
    return ((told or "").strip() or type(error).__name__).splitlines()[-1]


def processor_s() -> float:
    """Return the processor time of all servers, in seconds: those that are not asked need none."""
    times = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return sum(each.user + each.system for each in times)


@contextlib.contextmanager
def process(command: Sequence[str], *, core: int | None, cwd: Path = REPOSITORY, **settings: str) -> Iterator[str]:
    """Run *command*, pinned to *core* if one is given; give the first line it prints, empty if it ends without one."""
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, _ALL if core is None else {core}),
    ) as child:
        try:
            assert child.stdout is not None
            yield child.stdout.readline()
        finally:
            end(child)


@contextlib.contextmanager
def server(*command: str, core: int | None, **settings: str) -> Iterator[int]:
    """Start ``python *command*``, pinned to *core* if given; give the port of the line that it prints when ready."""
    with process([sys.executable, *command], core=core, **settings) as line:
        yield int(line.rpartition(":")[2])
