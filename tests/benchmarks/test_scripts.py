"""How scripts are run."""

import contextlib
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from benchmarks import scripts
from benchmarks.scripts import printed_by
from tests.deadline import HANGS_S

# Starts a server that would outlive it, leaves a file, and tells of both.
SCRIPT = """
import pathlib, subprocess, sys, tempfile, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=subprocess.DEVNULL)
print(child.pid, tempfile.mkdtemp(), flush=True)
pathlib.Path(sys.argv[2]).touch()
time.sleep(float(sys.argv[1]))
"""


def is_gone(pid: int) -> bool:
    """Say whether a process has ended, waiting a little: init takes its time to hear of it."""
    with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
        process = psutil.Process(pid)
        until = time.monotonic() + HANGS_S
        while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < until:
            time.sleep(0.01)
        return process.status() == psutil.STATUS_ZOMBIE
    return True


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file: the time of a script begins when the script has made it, however long Python takes to start."""
    file = tmp_path / "begun"

    class Begun(subprocess.Popen[str]):
        def communicate(self, given: str | None = None, timeout: float | None = None) -> tuple[str, str]:
            while self.poll() is None and not file.exists():
                time.sleep(0.01)
            return super().communicate(given, timeout)

    monkeypatch.setattr(scripts.subprocess, "Popen", Begun)
    return str(file)


@pytest.mark.parametrize(("lasts_s", "limit_s"), [(0, HANGS_S), (2 * HANGS_S, 0.1)])
def test_nothing_of_a_script_stays(begun: str, lasts_s: float, limit_s: float) -> None:
    """Servers and temporary files end with their script, and what it printed is kept, even if its time is over."""
    pid, folder, *_ = printed_by(["-c", SCRIPT, str(lasts_s), begun], limit_s).split()

    assert is_gone(int(pid))
    assert not Path(folder).exists()


def test_it_is_said_that_the_time_was_over(begun: str) -> None:
    """Whoever reads what was printed sees why it ends."""
    printed = printed_by(["-c", SCRIPT, str(2 * HANGS_S), begun], 0.1)

    assert printed.endswith("\nended after 0.1 s\n")


def test_another_account_passes_through_the_folder_of_a_script() -> None:
    """PostgreSQL refuses to run as root, so its data lies there under another account; it may list nothing."""
    script = "import os, stat; print(oct(stat.S_IMODE(os.stat(os.environ['TMPDIR']).st_mode)))"

    assert "0o711\n" == printed_by(["-c", script], HANGS_S)
