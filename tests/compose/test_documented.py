"""The commands of the pages that need a Docker engine, run for real."""

import asyncio
import sqlite3
import stat
import tarfile
from contextlib import closing
from pathlib import Path

import aiohttp

from tests.compose.pages import run_on
from tests.compose.scaled import ACCOUNT, logged_in
from tests.compose.stack import Stack
from tests.documentation.blocks import block
from tests.system.honest import present

SCALED = "docker compose -f docker-compose.yml -f docker-compose.scale.yml"
ADD = ("python", "-m", "auth_service", "users", "add")


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


def test_keys_come_back(stack: Stack, tmp_path: Path) -> None:
    """The copy holds every key and the secret, is nobody else's to read, and brings back what a rotation changed."""
    before = listed_keys(stack)
    run_on(stack, block("docs/operations.md: Back up the keys"), **{"> keys-": f"> {tmp_path}/keys-"})
    copy = only_file(tmp_path)
    with tarfile.open(copy) as members:
        modes = {member.name: member.mode for member in members if member.isfile()}
    stack.compose("run", "--rm", "-T", "keys", "keys", "rotate")
    rotated = listed_keys(stack)
    run_on(stack, block("docs/operations.md: Back up the keys (2)"), **{"KEYS.tar": str(copy)})

    assert 0o600 == stat.S_IMODE(copy.stat().st_mode)
    assert {"access/access.jwks.json", "refresh/refresh.jwks.json", "service/secret"} <= modes.keys()
    assert {0o600} == set(modes.values())
    assert before != rotated
    assert before == listed_keys(stack)


def listed_keys(stack: Stack) -> str:
    """Return what the operator is shown of the keys."""
    return stack.compose("run", "--rm", "-T", "keys", "keys", "list", "--json")


def test_backup_of_sqlite(stack: Stack, tmp_path: Path) -> None:
    """Night after night, a copy with the users in it comes out, nobody else's to read; the volume keeps none."""
    commands = block("docs/operations.md: SQLite")
    nights = [tmp_path / name for name in ("first", "second")]
    for night in nights:
        night.mkdir()
        run_on(stack, commands, **{"> auth-": f"> {night}/auth-"})
    copies = [only_file(night) for night in nights]

    for copy in copies:
        assert 0o600 == stat.S_IMODE(copy.stat().st_mode)
        with closing(sqlite3.connect(copy)) as database:
            assert database.execute("SELECT count(*) FROM users").fetchone()[0] > 0
    assert "" == stack.execute("auth", "sh", "-c", "ls -d /data/backup* 2>/dev/null || true")


def only_file(folder: Path) -> Path:
    """Return the one file of a folder."""
    [file] = folder.iterdir()
    return file


async def test_restore_of_sqlite(stack: Stack, tmp_path: Path) -> None:
    """What came after the copy is gone, who was in stays in, and what was ended since then can be ended again."""
    stack.execute("auth", *ADD, "before", "--email", "before@example.org", stdin=f"{ACCOUNT['password']}\n")
    account = ACCOUNT | {"username": "before"}
    async with aiohttp.ClientSession(stack.auth_url) as http:
        kept, ended = [await logged_in(http, account) for _ in range(2)]
        await asyncio.to_thread(
            run_on, stack, block("docs/operations.md: SQLite"), **{"> auth-": f"> {tmp_path}/auth-"}
        )
        copy = only_file(tmp_path)
        stack.execute("auth", *ADD, "after", "--email", "after@example.org", stdin=f"{ACCOUNT['password']}\n")
        await http.post("/logout", json={"token": ended.refresh_token}, raise_for_status=True)
        with stack.becoming_healthy(["auth"]):
            restore = {" ID": f" {ended.sid}", "BACKUP.db": str(copy)}
            await asyncio.to_thread(run_on, stack, block("docs/operations.md: SQLite (2)"), **restore)
        answers = [await present(http, stack.auth_url, session.refresh_token) for session in (kept, ended)]
    users = stack.execute("auth", "python", "-m", "auth_service", "users", "list", "--json")

    assert [200, 400] == [answer.status for answer in answers]
    assert "revoked" == answers[1].reason
    assert "before" in users
    assert "after@example.org" not in users


def test_run_at_scale(scaled: Stack) -> None:
    """Up again changes nothing; a user is added at a replica."""
    *_, added = run_on(scaled, block("docs/operations.md: Run at scale"), SCALED, **{" zs ": " scaled "})

    assert "user scaled added" == added.strip()
