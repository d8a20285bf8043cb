import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.auth_service.command_line import Run, problem
from tests.auth_service.running import Auth

PASSWORD = "correct horse battery"


def add(run: Run, name: str = "zs", *options: str, password: str = PASSWORD) -> None:
    """Add a user who must not exist yet."""
    finished = run("users", "add", name, "--email", "zs@example.org", *options, stdin=f"{password}\n")
    assert 0 == finished.status, finished.err


def users(run: Run) -> list[dict[str, Any]]:
    """Return the users as the machine-readable list shows them."""
    return list(json.loads(run("users", "list", "--json").out))


def test_a_user_is_added(run: Run) -> None:
    """Name, email and scope are stored; the scope is read and write unless said otherwise."""
    add(run)
    add(run, "mk", "--scope", "read")

    assert [("mk", "read"), ("zs", "read write")] == [(user["username"], user["scope"]) for user in users(run)]


def test_the_list_for_people_shows_names_and_states(run: Run) -> None:
    """The table says who is disabled."""
    add(run)
    run("users", "disable", "zs")
    finished = run("users", "list")

    assert 0 == finished.status
    assert "zs@example.org" in finished.out
    assert "disabled" in finished.out


@pytest.mark.parametrize("name", ["[/bold]", "[red]zs[/red]", ":smile:", "-zs"])
def test_a_name_is_shown_as_it_is(run: Run, name: str) -> None:
    """Brackets in a name are text, not markup."""
    finished = run("users", "add", "--email", "zs@example.org", "--", name, stdin=f"{PASSWORD}\n")

    assert f"user {name} added\n" == finished.out
    assert name in run("users", "list").out


def test_a_name_is_added_once(run: Run) -> None:
    """A second user of that name is a problem, and the first stays."""
    add(run)

    assert "user zs exists already" == problem(run("users", "add", "zs", "--email", "a@b", stdin="another password\n"))
    assert ["zs@example.org"] == [user["email"] for user in users(run)]


@pytest.mark.parametrize(
    ("name", "email", "scope", "password", "member"),
    [
        ("", "a@b", "read", PASSWORD, "username"),
        ("x" * 256, "a@b", "read", PASSWORD, "username"),
        ("z\ns", "a@b", "read", PASSWORD, "username"),
        ("\udcff", "a@b", "read", PASSWORD, "username"),
        ("zs", "nobody", "read", PASSWORD, "email"),
        ("zs", "a@b c", "read", PASSWORD, "email"),
        ("zs", "a@b", 'say "hi"', PASSWORD, "scope"),
        ("zs", "a@b", "two  blanks", PASSWORD, "scope"),
        ("zs", "a@b", "x" * 1025, PASSWORD, "scope"),
        ("zs", "a@b", "read", "", "password"),
        ("zs", "a@b", "read", "x" * 1025, "password"),
        ("zs", "a@b", "read", "\udcff" * 20, "password"),
    ],
)
def test_what_no_account_can_be_is_named(
    run: Run, name: str, email: str, scope: str, password: str, member: str
) -> None:
    """A bad name, email, scope or password is one line that names it, and nothing is stored."""
    finished = run("users", "add", name, "--email", email, "--scope", scope, stdin=f"{password}\n")

    assert problem(finished).startswith(f"{member}: ")
    assert [] == users(run)


def test_a_password_is_never_repeated(run: Run) -> None:
    """Neither what is printed nor a problem shows the password."""
    add(run)
    refused = run("users", "add", "zs", "--email", "a@b", stdin=f"{PASSWORD}\n")

    assert PASSWORD not in refused.out + refused.err


@pytest.mark.parametrize("command", ["disable", "enable", "set-password"])
@pytest.mark.parametrize("name", ["nobody", "\udcff"])
def test_an_unknown_user_is_a_problem(run: Run, command: str, name: str) -> None:
    """Whatever is to be done to a user who does not exist: one line, exit 2."""
    assert problem(run("users", command, name, stdin=f"{PASSWORD}\n")).startswith("no user ")


async def test_a_disabled_user_is_out_at_once(run: Run, auth: Auth) -> None:
    """Disabling ends the sessions of a running service; enabling lets the user in again, by a new log-in."""
    token = (await auth.log_in())["refresh_token"]
    await asyncio.to_thread(run, "users", "disable", "zs")

    assert 400 == (await auth.refresh(token))[0]
    assert 401 == (await auth.post("/login", {"username": "zs", "password": PASSWORD})).status
    await asyncio.to_thread(run, "users", "enable", "zs")
    assert (await auth.log_in())["refresh_token"] != token
    assert 400 == (await auth.refresh(token))[0]


async def test_a_set_password_ends_every_session(run: Run, auth: Auth) -> None:
    """The operator's new password is the only one, and no session survives it."""
    token = (await auth.log_in())["refresh_token"]
    finished = await asyncio.to_thread(run, "users", "set-password", "zs", stdin="another password\n")

    assert 0 == finished.status
    assert 400 == (await auth.refresh(token))[0]
    assert (await auth.log_in(password="another password"))["refresh_token"]


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("hunter22 hunter", None),
        ("hunter22 hunte", "at least 15"),
        ("12hunter" * 2, "easy"),
        ("1a2b" * 5, "repetition"),
    ],
)
def test_passwords_of_the_operator_obey_the_rules(run: Run, password: str, problem: str | None) -> None:
    """``add`` and ``set-password`` judge a password as the service does."""
    add(run)
    for arguments in (("add", "other", "--email", "a@b"), ("set-password", "zs")):
        finished = run("users", *arguments, stdin=f"{password}\n")
        assert finished.status == (0 if problem is None else 2)
        assert problem is None or problem in finished.err


def test_what_was_added_is_shown_to_programs(run: Run) -> None:
    """``--json`` tells the id that ``sub`` will be."""
    finished = run("users", "add", "zs", "--email", "a@b", "--json", stdin=f"{PASSWORD}\n")

    assert users(run) == [json.loads(finished.out)]


@pytest.mark.parametrize("password", ["", "x" * 1025])
def test_a_bad_new_password_is_named(run: Run, password: str) -> None:
    """The old password stays when the new one cannot be."""
    add(run)

    assert problem(run("users", "set-password", "zs", stdin=f"{password}\n")).startswith("password: ")


def test_a_database_that_is_none_is_named(run: Run, tmp_path: Path) -> None:
    """A file of something else is one line, not a trace."""
    (tmp_path / "auth.db").write_bytes(b"something else entirely, and long enough to be read" * 100)

    assert "database" in problem(run("users", "list"))
