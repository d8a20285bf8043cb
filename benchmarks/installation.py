"""Installs what is measured beside dualtoken, each into a folder of its own that git ignores.

    python -m benchmarks.installation

Every version is locked: ``peers/*/requirements.txt`` by hash, ``peers/node/package-lock.json`` likewise, with the
Node.js that its packages run on. npm itself is the machine's.
"""

import contextlib
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BENCHMARKS = Path(__file__).parent
PEERS = BENCHMARKS / "peers"
INSTALLED = BENCHMARKS / ".peers"
INSTALL_S = 600.0
PYTHON_PEERS = ("simplejwt", "oauth_toolkit", "fastapi", "authlib")


class NotInstalled(Exception):
    """A peer cannot be had on this machine; says why in a few words."""


def python_of(peer: str) -> Path:
    """Return the interpreter of a Python peer, installed if it was not.

    Raises:
        NotInstalled: pip says no.
    """
    home = INSTALLED / peer
    lock = PEERS / peer / "requirements.txt"
    python = home / "bin" / "python"
    if not _is_current(home, lock):
        shutil.rmtree(home, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(home)])
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        _run([*pip, "-r", str(lock)])
        _mark(home, lock)
    return python


def node_modules() -> Path:
    """Return the folder of the Node peers, their packages installed.

    Raises:
        NotInstalled: there is no Node, or npm says no.
    """
    home = PEERS / "node"
    lock = home / "package-lock.json"
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise NotInstalled("no Node.js with npm on this machine")
    modules = home / "node_modules"
    if not _is_current(modules, lock):
        _run(["npm", "ci", "--omit=dev", "--ignore-scripts"], cwd=home)
        _mark(modules, lock)
    return home


def node() -> str:
    """Return the Node.js that the Node peers run on: the locked one, or for other processors the machine's own.

    Raises:
        NotInstalled: as :func:`node_modules`.
    """
    locked = (node_modules() / "node_modules").glob("node-*/bin/node")
    return str(next(locked, "node"))


def versions() -> dict[str, str]:
    """Return the versions of the runtimes."""
    found = {"Python": sys.version.split()[0]}
    with contextlib.suppress(NotInstalled):
        told = subprocess.run([node(), "--version"], capture_output=True, text=True, check=False)
        found["Node.js"] = told.stdout.strip()
    return found


def _is_current(home: Path, lock: Path) -> bool:
    mark = home / ".lock"
    return mark.exists() and mark.read_text() == _digest(lock)


def _mark(home: Path, lock: Path) -> None:
    (home / ".lock").write_text(_digest(lock))


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def _run(command: list[str], cwd: Path | None = None) -> None:
    try:
        subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=INSTALL_S)
    except subprocess.CalledProcessError as error:
        last = (error.stderr or error.stdout or "").strip().splitlines()[-1:]
        raise NotInstalled(f"{Path(command[0]).name}: {' '.join(last) or error}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(str(error)) from error


def main() -> None:
    """Install all of them; name those that cannot be had."""
    wanted: Iterable[tuple[str, Callable[[], Path]]] = [
        *((peer, lambda peer=peer: python_of(peer)) for peer in PYTHON_PEERS),  # type: ignore[misc]
        ("node", node_modules),
    ]
    for peer, install in wanted:
        try:
            print(f"{peer}: {install()}", flush=True)
        except NotInstalled as error:
            print(f"{peer}: left out: {error}", flush=True)


if __name__ == "__main__":
    main()
