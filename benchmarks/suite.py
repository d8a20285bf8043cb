"""The suite itself: its processor time, and what of it fails beside two busy loops on each core.

    python -m benchmarks.suite

Runs the whole suite twice, as ``make test`` and ``make test-slow`` do. The time is that of all its processes, in
minutes. Goals: at most 8; nothing fails.
"""

import os
import re
import resource
import subprocess
import sys

from benchmarks.servers import REPOSITORY

GOAL_MIN = 8.0
PYTEST = (sys.executable, "-m", "pytest", "-q", "--numprocesses=3", "--dist=worksteal", "-p", "no:cacheprovider")
BESIDE_LOOPS = (sys.executable, "-m", "tests.busy_loops", *PYTEST)
_NOT_PASSED = re.compile(r"(\d+) (?:failed|errors?)\b")


def run(command: tuple[str, ...]) -> tuple[float, str]:
    """Run the suite; return the minutes of processor time that it took, and its last line.

    Raises:
        RuntimeError: it did not come to its end.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=REPOSITORY, env=os.environ, stdout=subprocess.PIPE, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest ended with {done.returncode}")
    taken_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return taken_s / 60, done.stdout.strip().splitlines()[-1]


def not_passed(last_line: str) -> int:
    """Return how many tests failed, or could not be run, by the last line of pytest."""
    return sum(map(int, _NOT_PASSED.findall(last_line)))


def report(taken_min: float, last_line: str, beside_loops: str) -> bool:
    """Print what was found; return whether the goals are reached."""
    print(f"the suite, minutes of processor time: {taken_min:.1f}; goal {GOAL_MIN:g}; {last_line}")
    print(f"the suite beside busy loops, failed: {not_passed(beside_loops)}; {beside_loops}")
    return taken_min <= GOAL_MIN and not_passed(beside_loops) == 0


def main() -> None:
    """Run it twice; exit 1 below a goal."""
    taken_min, last_line = run(PYTEST)
    _, beside_loops = run(BESIDE_LOOPS)
    sys.exit(not report(taken_min, last_line, beside_loops))


if __name__ == "__main__":
    main()
