"""Clean environments, into which pip installs what was built."""

import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 600.0  # ends what hangs
_LOCKED = re.compile(r"^([A-Za-z0-9._-]+==[^ \\]+)( ; [^\\]+)?", re.MULTILINE)

Finished = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Installed:
    """One environment outside the checkout.

    Attributes:
        folder: of the environment itself.
        home: an empty folder, in which commands run.
    """

    folder: Path
    home: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def environment(self, **more: str) -> dict[str, str]:
        """Return what a process sees: nothing of the checkout, nor of what configures the suite's own services."""
        kept = {name: os.environ[name] for name in ("LANG", "TMPDIR", "SSL_CERT_FILE") if name in os.environ}
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return kept | {"PATH": path, "HOME": str(self.home), "PYTHONWARNINGS": "error", "COLUMNS": "200"} | more

    def run(self, *command: str, line: str = "", cwd: Path | None = None, **more: str) -> Finished:
        """Run one command of the environment to its end; ``python`` is its interpreter."""
        return subprocess.run(
            [str(self.folder / "bin" / command[0]), *command[1:]], input=line, cwd=cwd or self.home,
            env=self.environment(**more), capture_output=True, text=True, timeout=DEADLINE_S, check=False,
        )  # fmt: skip

    @contextmanager
    def serving(self, *command: str, cwd: Path | None = None, **more: str) -> Iterator[str]:
        """Run a command that serves until the end of the block; yield the address that it names."""
        process = subprocess.Popen(
            [str(self.folder / "bin" / command[0]), *command[1:]], cwd=cwd or self.home, env=self.environment(**more),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert " listening on http://" in line, (command, line)
            yield line.split()[-1]
        finally:
            process.terminate()
            process.communicate(timeout=DEADLINE_S)


def install(folder: Path, wheel: Path, *extras: str, beside: tuple[str, ...] = ()) -> Installed:
    """Make an environment and let pip install *wheel* with *extras* into it, in the versions that are locked.

    What people install *beside* it comes in the same call.

    Where pip reaches no index, the test is skipped by name.
    """
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    home = folder / "home"
    home.mkdir()
    made = Installed(folder / "venv", home)
    constraints = folder / "constraints.txt"
    locked = (ROOT / "requirements/dev.txt").read_text(encoding="utf-8")
    constraints.write_text("".join(f"{name}{marker}\n" for name, marker in _LOCKED.findall(locked)))
    wanted = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
    options = ("--no-compile", "--constraint", str(constraints))
    done = _pip("--python", str(made.python), "install", *options, wanted, *beside)
    if done.returncode != 0 and _pip("download", "--no-deps", "--dest", str(folder), "idna").returncode != 0:
        pytest.skip("pip reaches no package index")
    assert 0 == done.returncode, done.stderr
    return made


def _pip(*arguments: str) -> Finished:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
