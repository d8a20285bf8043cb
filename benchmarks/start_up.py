"""What starting costs: processor time until a service listens and until ``dualtoken status`` has answered, and of what.

    python -m benchmarks.start_up [--rounds 9]

The least of all rounds counts: what disturbs a process only ever adds to its time. The shares of the packages are those
of ``python -X importtime``, each module's own time, in a run that is not timed otherwise. No goal: it shows a change
that makes a command load what it does not use, which the suite refuses for ``status``.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from benchmarks.servers import REPOSITORY
from dualtoken.auth_service.keys import jwk_file

MOST_PACKAGES = 8
STATUS = ("-m", "dualtoken.client", "status", "--token-file", "/nowhere/tokens.json")


def status(*options: str) -> tuple[float, str]:
    """Run ``dualtoken status``; return its processor time in seconds, and what it printed as an error."""
    before = os.times()
    done = subprocess.run([sys.executable, *options, *STATUS], capture_output=True, text=True, check=False)
    after = os.times()
    taken = after.children_user + after.children_system - before.children_user - before.children_system
    return taken, done.stderr


def listening(module: str, settings: dict[str, str]) -> Callable[..., tuple[float, str]]:
    """Return what starts a service until it tells its address, and returns the same."""

    def start(*options: str) -> tuple[float, str]:
        with (
            tempfile.TemporaryFile("w+") as errors,
            subprocess.Popen(
                [sys.executable, *options, "-m", module, "serve"],
                cwd=REPOSITORY,
                env=os.environ | settings,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as process,
        ):
            assert process.stdout is not None
            try:
                if "listening" not in process.stdout.readline():
                    raise RuntimeError(f"{module} did not start")
                times = psutil.Process(process.pid).cpu_times()
            finally:
                process.terminate()
                process.wait()
            errors.seek(0)
            return times.user + times.system, errors.read()

    return start


def shares(printed: str) -> list[tuple[str, float]]:
    """Return the packages whose modules took longest to load, and how many milliseconds of their own."""
    own_us: Counter[str] = Counter()
    for told in printed.splitlines():
        if told.startswith("import time:") and "imported package" not in told:
            own, _, module = told.removeprefix("import time:").split("|")
            own_us[module.strip().partition(".")[0]] += int(own)
    return [(package, us / 1000) for package, us in own_us.most_common(MOST_PACKAGES)]


@contextlib.contextmanager
def starts() -> Iterator[dict[str, Callable[..., tuple[float, str]]]]:
    """Give what is measured, by name."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in ("access", "refresh"):
            jwk_file.create(folder / f"{kind}.jwks.json")
        auth = {
            "AUTH_PORT": "0",
            "AUTH_ACCESS_KEYS": str(folder / "access.jwks.json"),
            "AUTH_REFRESH_KEYS": str(folder / "refresh.jwks.json"),
            "AUTH_DATABASE_URL": f"sqlite:///{folder / 'auth.db'}",
        }
        resource = {"RESOURCE_PORT": "0", "RESOURCE_KEYS": str(folder / "access.jwks.json")}
        yield {
            "dualtoken status": status,
            "auth_service listening": listening("auth_service", auth),
            "resource_service listening": listening("resource_service", resource),
        }


def report(name: str, least_s: float, packages: list[tuple[str, float]]) -> None:
    """Print what a start takes, and which packages are its largest parts."""
    largest = ", ".join(f"{package} {own_ms:.0f}" for package, own_ms in packages)
    print(f"{name}: {least_s * 1000:.0f} ms of processor time; ms of imports: {largest}", flush=True)


def main() -> None:
    """Measure each start."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    with starts() as measured:
        for name, start in measured.items():
            least_s = min(start()[0] for _ in range(rounds))
            report(name, least_s, shares(start("-X", "importtime")[1]))


if __name__ == "__main__":
    main()
