"""Run the operator's command line in this process."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from dualtoken.auth_service.cli import main
from tests.auth_service.running import FAST_HASHER


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    status: int
    out: str
    err: str


Run = Callable[..., Finished]


def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs ``python -m auth_service`` with arguments and lines of input."""

    def run(*arguments: str, stdin: str = "") -> Finished:
        monkeypatch.setattr(sys, "argv", ["auth_service", *arguments])
        monkeypatch.setattr("dualtoken.auth_service.cli.users.HASHER", FAST_HASHER)
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        try:
            status = main()
        except SystemExit as exit_:
            status = exit_.code if isinstance(exit_.code, int) else 0
        captured = capsys.readouterr()
        return Finished(status, captured.out, captured.err)

    return run


def problem(finished: Finished) -> str:
    """Return the one line on standard error with which a command must have refused, exit status 2."""
    assert (2, "") == (finished.status, finished.out)
    assert finished.err.startswith("auth_service: ")
    assert 1 == finished.err.count("\n"), finished.err
    return finished.err.removeprefix("auth_service: ").rstrip("\n")
