"""The commands of the pages that need a Docker engine, run for real."""

from pathlib import Path

from tests.compose.pages import run_on
from tests.compose.stack import Stack
from tests.documentation.blocks import block

SCALED = "docker compose -f docker-compose.yml -f docker-compose.scale.yml"


def test_readme_compose(stack: Stack) -> None:
    """Up, and a user: `docker compose ps` then shows a healthy service."""
    *_, added = run_on(stack, block("README.md: With Compose"), **{" zs ": " readme "})

    assert "user readme added" == added.strip()
    assert "healthy" == stack.inspect("auth", "{{.State.Health.Status}}")


def test_run_with_compose(stack: Stack, tmp_path: Path) -> None:
    """Up, a user, who logs in with the client and is known by name in the other container."""
    here = {" zs ": " operations ", "http://localhost:8002": stack.resource_url}
    client = f"DUALTOKEN_AUTH_URL={stack.auth_url} DUALTOKEN_TOKEN_FILE={tmp_path}/tokens.json dualtoken "
    *_, home = run_on(stack, block("docs/operations.md: Run with Compose"), **here, **{"dualtoken ": client})

    assert '"username": "operations"' in home


def test_keys_rotate_with_compose(stack: Stack) -> None:
    """Both files get a new key."""
    [said] = run_on(stack, block("docs/operations.md: Run with Compose (2)"))

    assert 2 == said.count("signs from now on")


def test_backup_of_sqlite(stack: Stack) -> None:
    """The copy is a database with the users in it, made while the service runs."""
    run_on(stack, block("docs/operations.md: Backup and restore"))
    count = "next(sqlite3.connect('/data/backup.db').execute('SELECT count(*) FROM users'))[0]"

    assert int(stack.execute("auth", "python", "-c", f"import sqlite3; print({count})")) > 0


def test_run_at_scale(scaled: Stack) -> None:
    """Up again changes nothing; a user is added at a replica."""
    *_, added = run_on(scaled, block("docs/operations.md: Run at scale"), SCALED, **{" zs ": " scaled "})

    assert "user scaled added" == added.strip()
