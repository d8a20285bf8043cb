"""What the client library costs to load: CPU time of its imports ÷ of ``import aiohttp``, each in a new process.

    python -m benchmarks.import_cost [--rounds 15]

The least of all rounds counts: what disturbs a process only ever adds to its time.
"""

import argparse
import subprocess
import sys

AIOHTTP = "import aiohttp"
PACKAGE = "import dualtoken.client"
FIVE_LINES = f"{AIOHTTP}; from dualtoken.client import BearerAuth, FileStorage, TokenSource"
STATUS = (
    "import sys; sys.argv[1:] = ['status', '--token-file', '/nowhere/tokens.json']; "
    "from dualtoken.client.commands import command_line"
)
TIMED = "import time; began = time.process_time(); {}; print(time.process_time() - began)"


def cpu_s(statement: str) -> float:
    """Return the CPU time of *statement* in a new process, in seconds."""
    command = [sys.executable, "-c", TIMED.format(statement)]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def report(least: dict[str, float]) -> None:
    """Print each ratio; *least* is in seconds."""
    for name, seconds in least.items():
        print(f"{name} ÷ {AIOHTTP}: {seconds / least[AIOHTTP]:.2f} ({seconds * 1000:.0f} ms of CPU time)")


def main() -> None:
    """Measure, and print each ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    statements = {
        AIOHTTP: AIOHTTP,
        PACKAGE: PACKAGE,
        "the imports of the five lines": FIVE_LINES,
        "the command line, for status": STATUS,
    }
    least = dict.fromkeys(statements, float("inf"))
    for _ in range(rounds):
        for name, statement in statements.items():
            least[name] = min(least[name], cpu_s(statement))
    report(least)


if __name__ == "__main__":
    main()
