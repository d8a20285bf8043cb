"""A library that an adapter needs and that is missing, or too old: one error, which names it and the cure."""

import subprocess
import sys
from pathlib import Path

import pytest

ADAPTERS = {
    "dualtoken.resource_service.fastapi": ("fastapi", "0.100"),
    "dualtoken.resource_service.starlette": ("starlette", "0.27"),
    "dualtoken.resource_service.litestar": ("litestar", "2.10"),
    "dualtoken.client.requests": ("requests", "2.28"),
    "dualtoken.client.httpx": ("httpx", "0.25"),
}

OLD = "0.9.1b2"


def problem_of(code: str, folder: Path) -> str:
    """Return the last line of a traceback, which is the only one of its error."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path.insert(0, {str(folder)!r})\n{code}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 1 == done.returncode, done.stderr
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_one_that_is_missing(adapter: str, tmp_path: Path) -> None:
    """The adapter, the library, and what to type."""
    library, least = ADAPTERS[adapter]
    hidden = f"sys.modules.update(dict.fromkeys([{library!r}, 'httpx2']))"
    problem = problem_of(f"{hidden}\nimport {adapter}", tmp_path)

    assert problem.startswith(f"ImportError: {adapter} needs {library} {least} or newer: pip install ")


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_one_that_is_too_old(adapter: str, tmp_path: Path) -> None:
    """The version that is there, too."""
    library, least = ADAPTERS[adapter]
    metadata = tmp_path / f"{library}-{OLD}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: {library}\nVersion: {OLD}\n")
    problem = problem_of(f"import {adapter}", tmp_path)

    needs = f"{adapter} needs {library} {least} or newer, and {OLD} is installed: pip install --upgrade {library}"
    assert f"ImportError: {needs}" == problem


def test_one_that_lacks_a_name(tmp_path: Path) -> None:
    """A library of the same name that is another: the error keeps what the import said."""
    (tmp_path / "litestar.py").write_text("")
    problem = problem_of("import dualtoken.resource_service.litestar", tmp_path)

    assert "pip install --upgrade litestar (cannot import name 'Request' from 'litestar'" in problem
