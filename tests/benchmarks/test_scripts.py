"""How scripts are run."""

import contextlib
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.scripts import printed_by

# Starts a server that would outlive it, leaves a file, and tells of both.
SCRIPT = """
import subprocess, sys, tempfile, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=subprocess.DEVNULL)
print(child.pid, tempfile.mkdtemp(), flush=True)
time.sleep(float(sys.argv[1]))
"""


def is_gone(pid: int) -> bool:
    """Say whether a process has ended, waiting a little: init takes its time to hear of it."""
    with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
        process = psutil.Process(pid)
        until = time.monotonic() + 5
        while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < until:
            time.sleep(0.01)
        return process.status() == psutil.STATUS_ZOMBIE
    return True


@pytest.mark.parametrize(("lasts_s", "limit_s"), [(0, 60), (60, 3)])
def test_nothing_of_a_script_stays(lasts_s: int, limit_s: int) -> None:
    """Servers and temporary files end with their script, and what it printed is kept, even if its time is over."""
    pid, folder, *_ = printed_by(["-c", SCRIPT, str(lasts_s)], limit_s).split()

    assert is_gone(int(pid))
    assert not Path(folder).exists()


def test_it_is_said_that_the_time_was_over() -> None:
    """Whoever reads what was printed sees why it ends."""
    printed = printed_by(["-c", "import time; print('begun', flush=True); time.sleep(60)"], 3)

    assert "begun\nended after 3 s\n" == printed
