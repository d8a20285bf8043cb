"""What an operator does leaves the events that the service's own doings leave: JSON lines on standard error."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from dualtoken.auth_service.keys.jwk_file import read_key_file
from tests.auth_service.command_line import Run
from tests.auth_service.running import Auth

PASSWORD = "correct horse battery"


def events(run: Run, *arguments: str, stdin: str = "") -> list[dict[str, Any]]:
    """Return what a command that must succeed raised, without the time."""
    finished = run(*arguments, stdin=stdin)
    assert 0 == finished.status, finished.err
    lines = [json.loads(line) for line in finished.err.splitlines()]
    assert {"operator"} >= {line.pop("by") for line in lines}
    return [{name: value for name, value in line.items() if name != "timestamp"} for line in lines]


async def test_disabling_leaves_two_events(run: Run, auth: Auth) -> None:
    """Who was disabled, and how many sessions ended with it; enabling has its own."""
    await auth.log_in()
    await auth.log_in()

    assert [
        {"event": "user.disabled", "level": "warning", "sub": "u-1"},
        {"event": "session.revoked", "level": "info", "reason": "user_disabled", "count": 2, "sub": "u-1"},
    ] == await asyncio.to_thread(events, run, "users", "disable", "zs")
    assert [{"event": "user.enabled", "level": "info", "sub": "u-1"}] == await asyncio.to_thread(
        events, run, "users", "enable", "zs"
    )


async def test_setting_a_password_leaves_two_events(run: Run, auth: Auth) -> None:
    """Whose it is, never what it is."""
    await auth.log_in()

    assert [
        {"event": "password.set", "level": "info", "sub": "u-1"},
        {"event": "session.revoked", "level": "info", "reason": "password_changed", "count": 1, "sub": "u-1"},
    ] == await asyncio.to_thread(events, run, "users", "set-password", "zs", stdin=f"{PASSWORD}\n")


@pytest.mark.parametrize("by", ["id", "user"])
async def test_revoking_leaves_an_event(run: Run, auth: Auth, by: str) -> None:
    """One session by its id, or all of a user."""
    await auth.log_in()
    [(sid,)] = auth.sql("SELECT id FROM sessions")
    arguments, whose = (["--user", "zs"], {"sub": "u-1"}) if by == "user" else (["--", sid], {"sid": sid})

    assert [
        {"event": "session.revoked", "level": "info", "reason": "operator", "count": 1, **whose}
    ] == await asyncio.to_thread(events, run, "sessions", "revoke", *arguments)


def test_adding_a_user_leaves_an_event(run: Run) -> None:
    """With the id that ``sub`` will be; nothing is said of a user whom nobody logged in."""
    [added] = events(run, "users", "add", "zs", "--email", "zs@example.org", stdin=f"{PASSWORD}\n")
    [user] = json.loads(run("users", "list", "--json").out)

    assert {"event": "user.added", "level": "info", "sub": user["id"], "scope": "read write"} == added
    assert ["user.disabled"] == [line["event"] for line in events(run, "users", "disable", "zs")]


async def test_changing_and_deleting_a_user_leaves_events(run: Run, auth: Auth) -> None:
    """Which was changed, by its ``sub``; the address of somebody is told by no line."""
    await auth.log_in()

    assert [{"event": "scope.set", "level": "info", "sub": "u-1", "scope": "a"}] == await asyncio.to_thread(
        events, run, "users", "set-scope", "zs", "a"
    )
    assert [{"event": "email.set", "level": "info", "sub": "u-1"}] == await asyncio.to_thread(
        events, run, "users", "set-email", "zs", "zs@new.example"
    )
    assert [
        {"event": "user.erased", "level": "warning", "sub": "u-1"},
        {"event": "session.revoked", "level": "info", "reason": "user_erased", "count": 1},
    ] == await asyncio.to_thread(events, run, "users", "delete", "zs", "--yes")


def test_moving_users_leaves_an_event(run: Run, tmp_path: Path) -> None:
    """How many came in or went out, and whether their hashes went with them."""
    (tmp_path / "in").write_text('{"sub": "1"}\n')

    assert [{"event": "users.imported", "level": "info", "added": 1, "present": 0, "refused": 0}] == events(
        run, "users", "import", str(tmp_path / "in")
    )
    assert [{"event": "users.exported", "level": "info", "count": 1, "hashes": True}] == events(
        run, "users", "export", str(tmp_path / "out"), "--with-hashes"
    )


def test_changing_keys_leaves_an_event(run: Run, tmp_path: Path) -> None:
    """Each file that has a new first key, and each key that was retired, by kid."""
    events(run, "keys", "init")
    path = tmp_path / "access.jwks.json"
    [old] = read_key_file(path)
    rotated = events(run, "keys", "rotate", "--only", "access")

    new = read_key_file(path)[0]["kid"]
    assert [{"event": "keys.rotated", "level": "info", "file": str(path), "kid": new}] == rotated
    assert [{"event": "keys.retired", "level": "info", "file": str(path), "kid": old["kid"]}] == events(
        run, "keys", "retire", "--force", "--", old["kid"]
    )


def test_a_key_that_is_made_known_first_leaves_two_events(run: Run, tmp_path: Path) -> None:
    """When it began to verify, and when to sign."""
    events(run, "keys", "init")
    path = tmp_path / "refresh.jwks.json"
    added = events(run, "keys", "rotate", "--only", "refresh", "--verify-only")
    kid = read_key_file(path)[1]["kid"]
    promoted = events(run, "keys", "promote", kid)

    assert [{"event": "keys.added", "level": "info", "file": str(path), "kid": kid}] == added
    assert [{"event": "keys.promoted", "level": "info", "file": str(path), "kid": kid}] == promoted


def test_looking_leaves_nothing(run: Run) -> None:
    """Lists are no events."""
    run("migrate")

    assert [] == events(run, "users", "list")
