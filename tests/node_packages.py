"""npm packages that tests try beside this project: installed as their lock says, in a folder of the test's own."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

_INSTALL_S = 300.0


def installed(project: Path, home: Path) -> Path:
    """Copy a project with its scripts into *home*, install what its lock names, and return *home*.

    Skips where Node.js with npm is missing, or npm cannot install.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip(f"Node.js with npm is missing: {project.name} is not tried with packages of npm")
    for path in (*project.glob("*.json"), *project.glob("*.mjs")):
        shutil.copy(path, home)
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(install, cwd=home, capture_output=True, text=True, check=False, timeout=_INSTALL_S)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm cannot install the packages of {project.name} within {_INSTALL_S:.0f} s")
    if done.returncode:
        pytest.skip(f"npm cannot install the packages of {project.name}: {done.stderr.strip().splitlines()[-1:]}")
    return home


def said_by(home: Path, script: str, *arguments: str) -> Any:
    """Run a script of the project; return the JSON that it prints."""
    command = ["node", script, *arguments]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False, timeout=_INSTALL_S)
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout)
