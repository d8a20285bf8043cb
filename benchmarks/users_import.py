"""How long a million users take to move in, and in how much memory.

    python -m benchmarks.users_import [--lines 1000000]

Writes that many lines with a Django hash each, and imports them by the command into an empty SQLite database; the first
tenth of them into another, twice, the second time of which adds nobody. Memory is the peak of what the process has for
itself, looked at ten times a second (``RssAnon`` of proc(5)): the file of the database, which SQLite maps, is the page
cache's. SQLite keeps 64 MiB of pages. Goal: at most 192 MiB, however many lines there are; the exit status is 1 above.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from benchmarks.auth_services import settings_of
from benchmarks.servers import REPOSITORY

GOAL_MIB = 192
LOOK_S = 0.1
HASH = "pbkdf2_sha256$1000000$xvvvwH0fOfGWxSWNSrmJ1K$XLKVLc05vXtpK2RPSnHLBenOiIOEvZ9C4uSbJ0/dq1Q="


def write(file: Path, lines: int) -> None:
    """Write users, each another one."""
    with file.open("w") as out:
        for number in range(lines):
            user = {"sub": str(number), "username": f"user{number}", "email": f"user{number}@example.org"}
            out.write(json.dumps({**user, "scope": "read write", "password_hash": HASH}) + "\n")


def imported(file: Path, settings: dict[str, str]) -> tuple[dict[str, int], float, float]:
    """Import; return what the command says, the seconds, and the peak of its memory in MiB."""
    began, peak = time.perf_counter(), 0.0
    command = [sys.executable, "-m", "auth_service", "users", "import", str(file), "--json"]
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=os.environ | settings, stdout=subprocess.PIPE, text=True
    ) as child:
        while child.poll() is None:
            peak = max(peak, memory_mib(child.pid))
            time.sleep(LOOK_S)
        assert child.stdout is not None
        assert child.returncode == 0, child.returncode
        return json.loads(child.stdout.read()), time.perf_counter() - began, peak


def memory_mib(pid: int) -> float:
    """Return what a process has for itself; 0 of one that is just ending."""
    found = re.search(r"^RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def report(name: str, lines: int, told: dict[str, int], seconds: float, mib: float) -> None:
    """Print one run."""
    print(f"{name}: {lines:,} lines in {seconds:.0f} s, {lines / seconds:,.0f}/s, at most {mib:.1f} MiB: {told}")


def main() -> None:
    """Measure and report; exit 1 if memory grows with the lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    lines = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        whole, tenth = folder / "whole", folder / "tenth"
        write(whole, lines)
        with whole.open() as source, tenth.open("w") as out:
            out.writelines(islice(source, lines // 10))
        settings = settings_of(folder / "few")
        few, again = imported(tenth, settings), imported(tenth, settings)
        many = imported(whole, settings_of(folder / "many"))
    report("a tenth", lines // 10, *few)
    report("once more", lines // 10, *again)
    report("all", lines, *many)
    print(f"peak memory: {many[2]:.1f} MiB; goal at most {GOAL_MIB}")
    sys.exit(many[2] > GOAL_MIB)


if __name__ == "__main__":
    main()
