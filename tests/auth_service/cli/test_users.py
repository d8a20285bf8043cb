import asyncio
import json
from pathlib import Path
from typing import Any

import jwt
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


def test_the_list_may_be_read_in_pages(run: Run) -> None:
    """By name, behind the last one of the page before; who looks is told that there are more."""
    for name in ("anna", "bert", "cora"):
        add(run, name)
    first = run("users", "list", "--limit", "2", "--json")
    last = run("users", "list", "--limit", "2", "--after", "bert", "--json")

    assert ["anna", "bert"] == [user["username"] for user in json.loads(first.out)]
    assert ["cora"] == [user["username"] for user in json.loads(last.out)]
    assert ("there are more: --after bert\n", "") == (first.err, last.err)
    assert 2 == run("users", "list", "--limit", "0").status


def test_a_list_begins_after_no_name_that_cannot_be(run: Run) -> None:
    """Bytes that are no text, as a shell may hand them over."""
    add(run, "anna")

    assert "no user 'a\\udcff'" == problem(run("users", "list", "--after", "a\udcff"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("zs", "--email", "nobody"), "email: must be an e-mail address"),
        (("zs", "--email", ""), "email: must be an e-mail address"),
        (("zs", "--email", "a\x1b@b"), "email: must be an e-mail address"),
        (("zs", "--email", "a@b", "--scope", "two  blanks"), "scope: must be words of printable ASCII without quotes"),
        (("z\ns", "--email", "a@b"), "username: must have 1 to 255 characters, without control characters"),
        (("z" * 256, "--email", "a@b"), "username: must have 1 to 255 characters, without control characters"),
    ],
)
def test_what_a_member_must_be_is_said_to_people(run: Run, options: tuple[str, ...], said: str) -> None:
    """No pattern, and nothing of items."""
    assert problem(run("users", "add", *options, stdin=f"{PASSWORD}\n")).startswith(said)


def test_the_list_holds_more_than_a_page(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a limit it is whole, page after page of the database."""
    monkeypatch.setattr("dualtoken.auth_service.cli.users._PAGE", 2)
    for name in ("anna", "bert", "cora", "dora"):
        add(run, name)

    assert ["anna", "bert", "cora", "dora"] == [user["username"] for user in users(run)]
    assert ["anna", "bert", "cora"] == [
        user["username"] for user in json.loads(run("users", "list", "--limit", "3", "--json").out)
    ]


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
    run: Run, tmp_path: Path, name: str, email: str, scope: str, password: str, member: str
) -> None:
    """A bad name, email, scope or password is one line that names it, and nothing is stored."""
    finished = run("users", "add", name, "--email", email, "--scope", scope, stdin=f"{password}\n")

    assert problem(finished).startswith(f"{member}: ")
    assert not (tmp_path / "auth.db").exists()


def test_a_password_is_never_repeated(run: Run) -> None:
    """Neither what is printed nor a problem shows the password."""
    add(run)
    refused = run("users", "add", "zs", "--email", "a@b", stdin=f"{PASSWORD}\n")

    assert PASSWORD not in refused.out + refused.err


@pytest.mark.parametrize(
    "command",
    [
        ("disable",),
        ("enable",),
        ("set-password",),
        ("set-claims", "{}"),
        ("set-scope", "read"),
        ("set-email", "a@b"),
        ("delete", "--yes"),
    ],
)
@pytest.mark.parametrize("name", ["nobody", "\udcff"])
def test_an_unknown_user_is_a_problem(run: Run, command: tuple[str, ...], name: str) -> None:
    """Whatever is to be done to a user who does not exist: one line, exit 2."""
    run("migrate")

    assert problem(run("users", command[0], name, *command[1:], stdin=f"{PASSWORD}\n")).startswith("no user ")


@pytest.mark.parametrize(
    ("command", "text", "member"),
    [("set-scope", "two  blanks", "scope"), ("set-scope", "x" * 1025, "scope"), ("set-email", "nobody", "email")],
)
def test_what_cannot_be_set_is_named(run: Run, command: str, text: str, member: str) -> None:
    """One line that names the member, and the user stays as it was."""
    add(run)
    before = users(run)

    assert problem(run("users", command, "zs", text)).startswith(f"{member}: ")
    assert before == users(run)


async def test_a_set_scope_and_email_count_from_the_next_refresh(run: Run, auth: Auth) -> None:
    """Sessions go on; each further access token tells the new, and no more than that changes."""
    token = (await auth.log_in())["refresh_token"]
    await asyncio.to_thread(run, "users", "set-scope", "zs", "read admin")
    await asyncio.to_thread(run, "users", "set-email", "zs", "zs@new.example")
    status, answer = await auth.refresh(token)
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})

    assert (200, "read admin") == (status, answer["scope"])
    assert ("read admin", "zs@new.example", "zs") == tuple(claims[name] for name in ("scope", "email", "username"))


def test_what_was_set_is_taken_away(run: Run) -> None:
    """Nothing is a scope, and no address an email."""
    add(run)
    run("users", "set-scope", "zs", "")
    finished = run("users", "set-email", "zs", "", "--json")

    assert ("", "") == (json.loads(finished.out)["scope"], users(run)[0]["email"])


async def test_a_deleted_user_is_out_at_once_and_leaves_nothing(run: Run, auth: Auth) -> None:
    """The sessions end in the same transaction, the name is free, and nothing personal stays."""
    token = (await auth.log_in())["refresh_token"]
    finished = await asyncio.to_thread(run, "users", "delete", "zs", "--yes", "--json")

    assert {"sub": "u-1", "revoked": 1} == json.loads(finished.out)
    assert 400 == (await auth.refresh(token))[0]
    assert 401 == (await auth.post("/login", {"username": "zs", "password": PASSWORD})).status
    assert [("",)] == auth.sql("SELECT username FROM users")
    assert [("", "", "user_erased")] == auth.sql("SELECT user_id, ip, revoked_reason FROM sessions")


def test_nobody_is_deleted_unasked(run: Run) -> None:
    """Where nobody can answer the question, --yes is asked for."""
    add(run)

    assert "no terminal to confirm at: use --yes" == problem(run("users", "delete", "zs"))
    assert ["zs"] == [user["username"] for user in users(run)]
    assert "user zs erased; all sessions revoked\n" == run("users", "delete", "zs", "--yes").out


async def test_a_disabled_user_is_out_at_once(run: Run, auth: Auth) -> None:
    """Disabling ends the sessions of a running service; enabling lets the user in again, by a new log-in."""
    token = (await auth.log_in())["refresh_token"]
    await asyncio.to_thread(run, "users", "disable", "zs")

    assert 400 == (await auth.refresh(token))[0]
    assert 401 == (await auth.post("/login", {"username": "zs", "password": PASSWORD})).status
    await asyncio.to_thread(run, "users", "enable", "zs")
    assert (await auth.log_in())["refresh_token"] != token
    assert 400 == (await auth.refresh(token))[0]


def test_a_name_is_one_however_it_is_typed(run: Run) -> None:
    """``add`` stores one form, and every command finds it by any other."""
    typed, stored = "Rene\u0301", "Ren\xe9"
    assert 0 == run("users", "add", typed, "--email", "a@b", stdin=f"{PASSWORD}\n").status

    assert [stored] == [user["username"] for user in users(run)]
    assert (
        problem(run("users", "add", stored, "--email", "a@b", stdin=f"{PASSWORD}\n")) == f"user {stored} exists already"
    )
    for command in ("disable", "enable"):
        assert 0 == run("users", command, typed).status
    assert 0 == run("users", "set-password", typed, stdin=f"{PASSWORD}\n").status


async def test_a_password_of_the_operator_is_one_however_it_is_typed(run: Run, auth: Auth) -> None:
    """Set decomposed, it logs in composed."""
    await asyncio.to_thread(run, "users", "set-password", "zs", stdin="mon pre\u0301cieux\xa0mot de passe\n")

    assert (await auth.log_in(password="mon pr\xe9cieux mot de passe"))["refresh_token"]


async def test_a_mark_before_a_password_is_none_of_it(run: Run, auth: Auth) -> None:
    """PowerShell's pipes begin with one; a line may end as Windows ends it."""
    await asyncio.to_thread(run, "users", "set-password", "zs", stdin=f"\ufeff{PASSWORD} anew\r\n")

    assert (await auth.log_in(password=f"{PASSWORD} anew"))["refresh_token"]


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
        ("1a2b" * 5, "easy"),
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
