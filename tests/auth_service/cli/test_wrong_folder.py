"""Only what puts something in makes a database: in a wrong folder, any other command would show an empty one."""

from pathlib import Path

import pytest

from tests.auth_service.command_line import Run, problem

PASSWORD = "correct horse battery staple"
LOOKING = (
    ("users", "list"),
    ("users", "disable", "zs"),
    ("users", "enable", "zs"),
    ("users", "set-claims", "zs", "{}"),
    ("users", "set-scope", "zs", "read"),
    ("users", "set-email", "zs", "a@b"),
    ("users", "set-password", "zs"),
    ("users", "delete", "zs", "--yes"),
    ("users", "export"),
    ("sessions", "list", "zs"),
    ("sessions", "revoke", "A" * 22),
    ("sessions", "revoke", "--user", "zs"),
)


@pytest.fixture
def elsewhere(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder without a database, and settings that name a relative path, as the default does."""
    del run  # it set what is changed here
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTH_DATABASE_URL", "sqlite:///var/auth.db")
    return tmp_path


@pytest.mark.parametrize("command", LOOKING, ids=" ".join)
def test_no_other_command_makes_a_database(run: Run, elsewhere: Path, command: tuple[str, ...]) -> None:
    """One line with the whole path that was meant, and the folder stays as it was."""
    told = problem(run(*command, stdin=f"{PASSWORD}\n"))

    assert told.startswith(f"AUTH_DATABASE_URL: no database {elsewhere}/var/auth.db: ")
    assert [] == list(elsewhere.iterdir())


@pytest.mark.parametrize(
    "command", [("migrate",), ("users", "add", "zs", "--email", "a@b.c"), ("users", "import", "in")], ids=" ".join
)
def test_what_puts_something_in_makes_it(run: Run, elsewhere: Path, command: tuple[str, ...]) -> None:
    """As ``serve`` does."""
    (elsewhere / "in").write_text('{"sub": "1"}\n')

    assert 0 == run(*command, stdin=f"{PASSWORD}\n").status
    assert (elsewhere / "var" / "auth.db").exists()


def test_a_link_to_nothing_is_no_database(run: Run, elsewhere: Path) -> None:
    """Nor is what it leads to made."""
    (elsewhere / "var").mkdir()
    (elsewhere / "var" / "auth.db").symlink_to(elsewhere / "gone.db")

    assert "no database" in problem(run("users", "list"))
    assert not (elsewhere / "gone.db").exists()


def test_a_url_that_is_none_is_still_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any file is looked for."""
    monkeypatch.setenv("AUTH_DATABASE_URL", "mysql://somewhere/auth")

    assert "must be sqlite:///path or postgresql://" in problem(run("users", "list"))
