"""`make audit` and `make lint` fail on what is known, and never take silence for safety."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.requirements.advisories import Advisories, answering

CHECKOUT = Path(__file__).parents[2]
LOCKED = ("flask", "jinja2")
CLEAN, VULNERABLE, UNUSABLE, UNANSWERED = range(4)
NOTHING: dict[str, list[str]] = {name: [] for name in LOCKED}
HOLE = {**NOTHING, "jinja2": ["PYSEC-2019-217"]}


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    """A lock file of two packages. Nothing of it is installed."""
    return lock_file(tmp_path / "locked.txt", *LOCKED)


def lock_file(path: Path, *packages: str) -> Path:
    """Lock packages."""
    path.write_text("".join(f"{name}==2.10 --hash=sha256:{'0' * 64}\n" for name in packages))
    return path


async def audit(*files: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run what the Makefile runs; return the exit status and what was said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, CHECKOUT / "requirements" / "audit.py", *files),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


@pytest.mark.parametrize(
    ("pypi", "osv", "status", "asked", "said"),
    [
        pytest.param(NOTHING, None, CLEAN, ["pypi"], "2 packages, no known vulnerability", id="nothing known"),
        pytest.param(
            HOLE, None, VULNERABLE, ["pypi"], "jinja2 2.10: PYSEC-2019-217, fixed in 99.0", id="known to PyPI"
        ),
        pytest.param({}, HOLE, VULNERABLE, ["pypi", "osv"], "jinja2 2.10: PYSEC-2019-217", id="a mirror, known to OSV"),
        pytest.param(None, HOLE, VULNERABLE, ["pypi", "osv"], "jinja2 2.10: PYSEC-2019-217", id="known to OSV alone"),
        pytest.param({}, NOTHING, CLEAN, ["pypi", "osv"], "2 packages, no known vulnerability", id="OSV for a mirror"),
        pytest.param(
            {}, None, UNANSWERED, ["pypi", "osv"], "NOT AUDITED: no source of advisories answered", id="mirror"
        ),
        pytest.param(
            {"flask": []}, None, UNANSWERED, ["pypi", "osv"], "NOT AUDITED: 1 packages", id="one of two known"
        ),
    ],
)
async def test_what_is_told_decides(
    tmp_path: Path,
    locked: Path,
    pypi: dict[str, list[str]] | None,
    osv: dict[str, list[str]] | None,
    status: int,
    asked: list[str],
    said: str,
) -> None:
    """A vulnerability fails, whoever knows it; a source that does not know a package has not cleared it."""
    advisories = Advisories(pypi, osv)
    async with answering(advisories, tmp_path) as environment:
        found, output = await audit(locked, environment=environment)

    assert (status, asked) == (found, advisories.asked), output
    assert said in output


async def test_each_file_is_audited(tmp_path: Path, locked: Path) -> None:
    """A package that only the second of two files has is looked up with those of the first."""
    extra = lock_file(tmp_path / "extra.txt", *LOCKED, "werkzeug")
    async with answering(Advisories({**NOTHING, "werkzeug": ["PYSEC-2023-221"]}, None), tmp_path) as environment:
        status, output = await audit(locked, extra, environment=environment)

    assert VULNERABLE == status
    assert "werkzeug 2.10: PYSEC-2023-221" in output


def test_whatever_an_image_may_hold_is_audited() -> None:
    """``make audit`` names each lock file but that of development: a build takes any of them as REQUIREMENTS."""
    command = subprocess.run(
        ["make", "--just-print", "--old-file=setup", "audit"], cwd=CHECKOUT, capture_output=True, check=True, text=True
    )
    files = {f"requirements/{path.name}" for path in (CHECKOUT / "requirements").glob("*.txt")}

    assert files - {"requirements/dev.txt"} == set(re.findall(r"requirements/\w+\.txt", command.stdout))


async def test_without_a_network_nothing_is_claimed(tmp_path: Path, locked: Path) -> None:
    """Where no source can be reached, the run says so and has a status of its own."""
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "PIP_CACHE_DIR": str(tmp_path / "cache")}
    status, output = await audit(locked, environment=nowhere)

    assert UNANSWERED == status
    assert "NOT AUDITED: no source of advisories answered" in output
    assert "no known" not in output


async def test_a_file_that_cannot_be_read_is_no_silence(tmp_path: Path) -> None:
    """A lock file that is missing or broken fails, also where nobody could be asked."""
    broken = tmp_path / "broken.txt"
    broken.write_text("jinja2==\n")

    assert [UNUSABLE] * 2 == [(await audit(file, environment={}))[0] for file in (broken, tmp_path / "missing.txt")]


@pytest.mark.parametrize(
    ("target", "status", "passes"),
    [
        ("lint", CLEAN, True),
        ("lint", VULNERABLE, False),
        ("lint", UNUSABLE, False),
        ("lint", UNANSWERED, True),
        ("audit", CLEAN, True),
        ("audit", UNANSWERED, False),
    ],
)
def test_lint_bears_silence_and_nothing_else(tmp_path: Path, target: str, status: int, passes: bool) -> None:
    """In ``make lint`` nobody to ask fails nobody, and each other status does; ``make audit`` passes on proof alone."""
    for linter in ("ruff", "mypy", "lint-imports", "bandit"):
        (tmp_path / linter).symlink_to("/bin/true")
    made = subprocess.run(
        ["make", "--old-file=setup", target, f"BIN={tmp_path}", f"AUDIT=(exit {status})"],
        cwd=CHECKOUT,
        capture_output=True,
        check=False,
    )

    assert passes == (made.returncode == 0), made.stderr
