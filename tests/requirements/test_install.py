"""``make setup`` and ``make demo`` on a machine that cannot install: one line, with the way out."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
OLD = """#!/bin/sh
[ "$1" = -c ] || { echo 'an old Python went on' >&2; exit 9; }
exec %s -c 'import sys; sys.version_info = (3, 10, 9, "final", 0); exec(sys.argv[1])' "$2"
"""


def make(target: str, folder: Path, *, python: str = sys.executable, **environment: str) -> list[str]:
    """Run a target with its environment in *folder*; return what it said, but for make's own last line."""
    done = subprocess.run(
        ["make", "--no-print-directory", target, f"VENV={folder}", f"PYTHON={python}"],
        cwd=CHECKOUT, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 2 == done.returncode
    return [line for line in (done.stdout + done.stderr).splitlines() if not re.match(r"make(\[\d+\])?: \*\*\* ", line)]


@pytest.mark.parametrize("target", ["setup", "demo"])
def test_a_python_that_is_too_old_is_named(tmp_path: Path, target: str) -> None:
    """Before anything is made."""
    python = tmp_path / "python3.10"
    python.write_text(OLD % sys.executable)
    python.chmod(0o755)
    expected = f"dualtoken needs Python 3.11 or newer, {python} is 3.10: name another with PYTHON=…"

    assert [expected] == make(target, tmp_path / "venv", python=str(python))
    assert not (tmp_path / "venv").exists()


def test_a_python_that_is_not_there_is_named(tmp_path: Path) -> None:
    """On some machines it has another name."""
    expected = "no python-nowhere here: name a Python of 3.11 or newer with PYTHON=…"

    assert [expected] == make("demo", tmp_path / "venv", python="python-nowhere")


def test_without_an_index_there_is_one_line(tmp_path: Path) -> None:
    """No network, or a proxy that is gone: pip's own forty lines stand in a file."""
    nowhere = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    [said] = make("demo", tmp_path / "venv", PIP_CACHE_DIR=str(tmp_path / "cache"), **nowhere)

    assert said.startswith("pip reaches no package index: ")
    assert "PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER" in said
    assert "Connection" in (tmp_path / "venv" / "install.log").read_text()


def test_a_folder_of_wheels_that_lacks_one_is_named(tmp_path: Path) -> None:
    """The way out that is offered is gone, and a wheel is not there."""
    offline = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    [said] = make("demo", tmp_path / "venv", **offline)

    assert said.startswith("pip could not install: ")
    assert str(tmp_path / "venv" / "install.log") in said


def test_a_checkout_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file in the place of a folder stands for a disk that is read only: root may write everywhere else."""
    (tmp_path / "disk").touch()
    folder = tmp_path / "disk" / "venv"

    assert [f"cannot write {folder}: Not a directory: name another place with VENV=FOLDER"] == make("demo", folder)
