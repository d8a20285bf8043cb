"""Run a command beside two busy loops on each core: ``python -m tests.busy_loops COMMAND ARGUMENT…``.

What passes so passes on a machine that has other things to do. The loops end with this process, however it ends.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

LOOPS_ON_A_CORE = 2
_LOOP = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"


@contextmanager
def busy_loops(on_a_core: int = LOOPS_ON_A_CORE) -> Iterator[None]:
    """Keep every core busy for the time of the block."""
    number = on_a_core * (os.cpu_count() or 1)
    loops = [subprocess.Popen([sys.executable, "-c", _LOOP]) for _ in range(number)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


if __name__ == "__main__":
    with busy_loops():
        status = subprocess.run(sys.argv[1:], check=False).returncode
    sys.exit(status)
