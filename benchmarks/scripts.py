"""Runs a script of the benchmarks so that nothing of it stays behind, however it ends."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.servers import REPOSITORY


def printed_by(command: Sequence[str], limit_s: float) -> str:
    """Run ``python *command``; return what it printed until it ended, or was ended after *limit_s*.

    A script that is killed stops none of its servers, and removes none of its databases of up to 4 GB. So each has a
    session and a folder for temporary files to itself, and both end with it.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # PostgreSQL, which does not run as root, passes through it
        script = subprocess.Popen(
            [sys.executable, *command], cwd=REPOSITORY, env=os.environ | {"TMPDIR": folder}, stdout=subprocess.PIPE,
            text=True, start_new_session=True,
        )  # fmt: skip
        try:
            return script.communicate(timeout=limit_s)[0]
        except subprocess.TimeoutExpired:
            _end(script)
            return f"{script.communicate()[0]}ended after {limit_s:g} s\n"
        finally:
            _end(script)


def _end(script: "subprocess.Popen[str]") -> None:
    with contextlib.suppress(ProcessLookupError):  # nobody of it is left
        os.killpg(script.pid, signal.SIGKILL)
