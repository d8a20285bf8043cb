"""Every command speaks to people and, with ``--json``, to programs."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from dualtoken.auth_service.cli import cli
from dualtoken.auth_service.keys.jwk_file import read_key_file
from tests.auth_service.command_line import Run, problem

PASSWORD = "correct horse battery"
FULL = Path("/dev/full")
FOR_PROGRAMS = ("keys", "users", "sessions")


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield the commands on keys, users and sessions by what is typed."""
    groups = typer.main.get_command(cli)
    for group in FOR_PROGRAMS:
        for name, command in groups.commands[group].commands.items():  # type: ignore[attr-defined]
            yield f"{group} {name}", command


def shown(run: Run, *arguments: str, stdin: str = "") -> Any:
    """Return what a command that must succeed shows to programs."""
    finished = run(*arguments, "--json", stdin=stdin)
    assert (0, 1) == (finished.status, finished.out.count("\n")), finished.err
    return json.loads(finished.out)


@pytest.fixture
def zs(run: Run) -> dict[str, Any]:
    """A user, as the list shows it."""
    return dict(shown(run, "users", "add", "zs", "--email", "zs@example.org", stdin=f"{PASSWORD}\n"))


@pytest.mark.parametrize("command", [pytest.param(command, id=name) for name, command in commands()])
def test_every_command_has_an_answer_for_programs(command: click.Command) -> None:
    """``--json`` is an option of each, in the same words."""
    helps = [option.help for option in command.params if "--json" in option.opts]  # type: ignore[attr-defined]

    assert ["Print JSON, for programs."] == helps


@pytest.mark.skipif(not FULL.exists(), reason="the device is Linux's")
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_an_answer_that_cannot_be_written_is_one_line(run: Run, options: tuple[str, ...]) -> None:
    """A disk that is full behind standard output is a problem like others, not a traceback."""
    assert 0 == run("migrate").status
    command = [sys.executable, "-m", "auth_service", "users", "list", *options]
    with FULL.open("wb") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert (2, "auth_service: standard output: No space left on device\n") == (ended.returncode, ended.stderr)


def test_who_is_disabled_and_enabled_is_shown(run: Run, zs: dict[str, Any]) -> None:
    """Both answer with the user as the list shows it afterwards."""
    disabled = shown(run, "users", "disable", "zs")
    assert [disabled] == shown(run, "users", "list")
    enabled = shown(run, "users", "enable", "zs")

    assert [enabled] == shown(run, "users", "list")
    assert zs == enabled == {**disabled, "disabled_at": None}
    assert disabled["disabled_at"] > 0


def test_whose_password_is_set_is_shown(run: Run, zs: dict[str, Any]) -> None:
    """The answer is the user, and neither the password nor its hash."""
    assert zs == shown(run, "users", "set-password", "zs", stdin="another password\n")


@pytest.mark.parametrize("command", ["disable", "enable", "set-password"])
def test_a_problem_is_the_same_line_for_programs(run: Run, command: str) -> None:
    """Standard output stays empty: who reads it as JSON never meets half an answer."""
    run("migrate")

    assert "no user nobody" == problem(run("users", command, "nobody", "--json", stdin=f"{PASSWORD}\n"))


def test_files_that_init_wrote_are_shown(run: Run, tmp_path: Path) -> None:
    """Each file with whether it is new; the service secret's, too."""
    files = [str(tmp_path / name) for name in ("access.jwks.json", "refresh.jwks.json", "secret")]
    answers = [shown(run, "keys", "init", "--service-secret", files[-1]) for _ in range(2)]

    assert [[{"file": file, "written": new} for file in files] for new in (True, False)] == answers


def test_keys_that_changed_are_shown(run: Run, tmp_path: Path) -> None:
    """Rotation names the key that signs in each file, retirement the key that went."""
    run("keys", "init")
    files = [tmp_path / name for name in ("access.jwks.json", "refresh.jwks.json")]
    rotated = shown(run, "keys", "rotate")
    assert [{"file": str(file), "kid": read_key_file(file)[0]["kid"]} for file in files] == rotated
    old = read_key_file(files[1])[1]["kid"]

    # `--`: a kid may begin with a dash.
    assert {"file": str(files[1]), "kid": old} == json.loads(run("keys", "retire", "--force", "--json", "--", old).out)
    assert 1 == len(read_key_file(files[1]))
