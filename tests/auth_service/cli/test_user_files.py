"""``users import`` and ``users export``, on files and a real database."""

import asyncio
import errno
import json
import os
import stat
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dualtoken.auth_service.cli import user_files
from dualtoken.auth_service.errors import Unavailable
from dualtoken.auth_service.store.sql import SqlStore
from dualtoken.auth_service.use_cases.user_import import BATCH
from dualtoken.auth_service.use_cases.user_lines import MAX_LINE_BYTES
from tests.auth_service.command_line import Finished, Run, problem
from tests.auth_service.foreign_hashes import DJANGO, FOREIGN, FOREIGN_PASSWORD
from tests.auth_service.running import FAST_HASHER, Auth

Import = Callable[..., Finished]


@pytest.fixture
def import_(run: Run, tmp_path: Path) -> Import:
    """Import lines, each a text or what becomes one."""

    def write_and_import(lines: Iterable[object], *options: str) -> Finished:
        file = tmp_path / "users.ndjson"
        texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
        file.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
        return run("users", "import", str(file), *options)

    return write_and_import


def exported(run: Run, tmp_path: Path, *options: str) -> list[dict[str, Any]]:
    """Return the users as they are written to a new file."""
    file = tmp_path / f"export{len(list(tmp_path.glob('export*')))}"
    finished = run("users", "export", str(file), *options)
    assert 0 == finished.status, finished.err
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def counts(finished: Finished) -> dict[str, int]:
    """Return what ``--json`` says."""
    return dict(json.loads(finished.out))


def many(count: int) -> list[dict[str, object]]:
    """Return so many users."""
    return [{"sub": str(number), "username": f"user{number}"} for number in range(count)]


def test_users_come_in_with_all_their_members(run: Run, import_: Import, tmp_path: Path) -> None:
    """What was written is what stands there, and comes out as it went in; what is left out is nothing."""
    whole = {
        "sub": "42",
        "username": "zs",
        "email": "zs@example.org",
        "scope": "read write",
        "claims": {"tenant": "acme"},
        "disabled": True,
        "password_hash": DJANGO["pbkdf2_sha256"],
    }
    nothing = {"email": "", "scope": "", "claims": {}, "disabled": False}

    assert 0 == import_([whole, {"sub": "lisi", "email": None}]).status
    assert [whole, {"sub": "lisi", "username": "lisi", **nothing}] == exported(run, tmp_path, "--with-hashes")


def test_a_second_run_adds_nobody_and_takes_nothing_back(run: Run, import_: Import, tmp_path: Path) -> None:
    """Users who are there already are left as they are, whatever has changed since."""
    lines = many(3)
    first = counts(import_(lines, "--json"))
    run("users", "set-scope", "user1", "admin")
    second = counts(import_([*lines, {"sub": "new"}], "--json"))

    assert {"added": 3, "present": 0, "refused": 0} == first
    assert {"added": 1, "present": 3, "refused": 0} == second
    assert "admin" == exported(run, tmp_path)[1]["scope"]


def test_an_interrupted_import_goes_on(import_: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole batches are in when the database goes away; the same command brings in the rest."""
    add, calls = SqlStore.add_accounts, []

    async def fail_at_the_third(self: SqlStore, accounts: Any, *, now: int) -> Any:
        calls.append(len(accounts))
        if len(calls) == 3:
            raise Unavailable("gone")
        return await add(self, accounts, now=now)

    monkeypatch.setattr(SqlStore, "add_accounts", fail_at_the_third)
    lines = many(2 * BATCH + 10)
    broken_off = problem(import_(lines))

    assert "the database does not answer: gone" == broken_off
    assert {"added": 10, "present": 2 * BATCH, "refused": 0} == counts(import_(lines, "--json"))
    assert [BATCH, BATCH, 10] == calls[:3]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("hunter2", "not a JSON object"),
        ("[]", "not a JSON object"),
        ('{"sub": "1", "sub": "2"}', "a member occurs twice"),
        ("{}", "sub: Field required"),
        ({"sub": 1}, "sub: Input should be a valid string"),
        ({"sub": ""}, "sub: "),
        ({"sub": ".."}, "sub: a path ends"),
        ({"sub": "x" * 256}, "sub: "),
        ({"sub": "\ud800"}, "sub: "),
        ({"sub": "1", "username": "a\nb"}, "username: "),
        ({"sub": "a\x85b"}, "username: give one"),
        ({"sub": "1", "email": "nobody"}, "email: "),
        ({"sub": "1", "scope": "two  blanks"}, "scope: "),
        ({"sub": "1", "disabled": "yes"}, "disabled: "),
        ({"sub": "1", "claims": {"iss": "me"}}, "claims: the name 'iss' is reserved"),
        ({"sub": "1", "claims": {"a": "x" * 3000}}, "claims: "),
        (f'{{"sub": "1", "claims": {{"a": {"9" * 5000}}}}}', "claims: an integer is beyond"),
        ({"sub": "1", "pasword_hash": "x"}, "pasword_hash: Extra inputs are not permitted"),
        ({"sub": "1", "\x1b[31m": "x"}, r"'\x1b[31m': Extra inputs"),
        ({"sub": "1", "password": "hunter2"}, "password: Extra inputs are not permitted"),
        ({"sub": "1", "password_hash": "hunter2"}, "password_hash: is not a hash of a known kind"),
        ({"sub": "1", "email": "x" * MAX_LINE_BYTES}, f"longer than {MAX_LINE_BYTES} bytes"),
        ({"sub": "2", "username": "taken"}, "username: another user has it"),
    ],
)
def test_a_line_that_is_no_user_is_refused(
    run: Run, import_: Import, tmp_path: Path, line: object, reason: str
) -> None:
    """Its number and the reason are told, everybody else is in, the status is 1, and no hash is repeated."""
    report = tmp_path / "report.ndjson"
    finished = import_([{"sub": "first", "username": "taken"}, "", line, {"sub": "last"}], "--report", str(report))
    [refusal] = [json.loads(text) for text in report.read_text(encoding="utf-8").splitlines()]

    assert 3 == refusal["line"]
    assert refusal["reason"].startswith(reason)
    assert (1, f"2 users added, 0 there already, 1 lines refused: see {report}\n") == (finished.status, finished.out)
    assert ["first", "last"] == [user["sub"] for user in exported(run, tmp_path)]
    assert "hunter2" not in finished.out + finished.err + report.read_text(encoding="utf-8")


def test_a_few_refusals_are_shown_and_the_report_has_all(import_: Import, tmp_path: Path) -> None:
    """Without a file for them, the first twenty stand in a table; nobody need scroll through a million."""
    shown = import_(["{}"] * 25)
    report = tmp_path / "report.ndjson"
    import_(["{}"] * 25, "--report", str(report))

    assert 20 == shown.out.count("sub: Field required")
    assert "25 lines refused: --report FILE names all of them" in shown.out
    assert list(range(1, 26)) == [json.loads(line)["line"] for line in report.read_text().splitlines()]


def test_a_bar_shows_how_far_it_is(import_: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    """On standard error, where somebody looks at it; else nothing of it stands anywhere."""
    unseen = import_(many(3))
    monkeypatch.setattr(user_files, "Console", partial(Console, force_terminal=True, width=200))
    seen = import_(many(3))

    assert "3 there already" in seen.err
    assert "100%" in seen.err
    assert "%" not in unseen.err
    assert seen.out == "0 users added, 3 there already, 0 lines refused\n"


def test_two_lines_of_one_user_make_one(run: Run, import_: Import, tmp_path: Path) -> None:
    """The first counts; another user of the same name is refused, in the same batch as in a later one."""
    lines = [{"sub": "1", "scope": "a"}, {"sub": "1", "scope": "b"}, {"sub": "2", "username": "1"}]

    assert {"added": 1, "present": 1, "refused": 1} == counts(import_(lines, "--json"))
    assert ["a"] == [user["scope"] for user in exported(run, tmp_path)]


def test_files_are_read_as_people_write_them(run: Run, tmp_path: Path) -> None:
    """A byte order mark, line ends of Windows, and no end of the last line."""
    file = tmp_path / "users.ndjson"
    file.write_bytes(b'\xef\xbb\xbf{"sub": "1"}\r\n\r\n{"sub": "\xff"}\r\n{"sub": "3"}')
    finished = run("users", "import", str(file))

    assert 1 == finished.status
    assert "not UTF-8" in finished.out
    assert ["1", "3"] == [user["sub"] for user in exported(run, tmp_path)]


@pytest.mark.parametrize("arguments", [("import", "missing"), ("import", "."), ("export", "missing/file")])
def test_a_file_that_cannot_be_is_a_problem(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, str]
) -> None:
    """One line that names it."""
    monkeypatch.chdir(tmp_path)

    assert arguments[1] in problem(run("users", *arguments))


def test_a_report_does_not_take_the_place_of_the_users(run: Run, tmp_path: Path) -> None:
    """By whatever name it is called."""
    file, link = tmp_path / "users.ndjson", tmp_path / "report"
    file.write_text('{"sub": "1"}\nno user\n')
    link.hardlink_to(file)

    for report in (file, link):
        assert "name another file" in problem(run("users", "import", str(file), "--report", str(report)))
    assert '{"sub": "1"}\nno user\n' == file.read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_report_that_cannot_be_written_is_named(run: Run, tmp_path: Path) -> None:
    """As on a full disk: the command did not end well, and says where."""
    file = tmp_path / "users.ndjson"
    file.write_text("no user\n")

    assert "/dev/full: " in problem(run("users", "import", str(file), "--report", "/dev/full"))


@pytest.mark.parametrize("failure", [Unavailable(), OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_an_export_that_breaks_off_leaves_no_file(
    run: Run, import_: Import, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    """A part would be taken for the whole; and the command can be repeated as it was."""
    import_(many(3))
    file = tmp_path / "all.ndjson"

    def fail(*_args: object, **_options: object) -> bytes:
        raise failure

    with monkeypatch.context() as broken:
        broken.setattr(user_files, "line_of", fail)
        ended = run("users", "export", str(file))

    assert (True, False) == (ended.status != 0, file.exists())
    assert 0 == run("users", "export", str(file)).status


def test_an_export_says_how_many_it_wrote(run: Run, import_: Import, tmp_path: Path) -> None:
    """For people and for programs."""
    import_(many(3))
    people, programs = tmp_path / "people", tmp_path / "programs"

    assert f"3 users written to {people}\n" == run("users", "export", str(people)).out
    assert {"exported": 3, "file": str(programs)} == json.loads(run("users", "export", str(programs), "--json").out)


def test_an_export_replaces_no_file_and_is_for_its_owner_alone(run: Run, import_: Import, tmp_path: Path) -> None:
    """It may hold hashes, which stand in it only where they were asked for."""
    import_([{"sub": "1", "password_hash": DJANGO["bcrypt"]}])
    file = tmp_path / "all.ndjson"
    run("users", "export", str(file))

    assert 0o600 == stat.S_IMODE(file.stat().st_mode) or os.name == "nt"
    assert DJANGO["bcrypt"] not in file.read_text()
    assert f"{file}: exists, name another file" == problem(run("users", "export", str(file), "--with-hashes"))


async def test_who_moved_in_logs_in_and_is_hashed_anew(auth: Auth, import_: Import) -> None:
    """With each kind of hash; at the first log-in it becomes argon2id, and the session goes on."""
    lines = [{"sub": name, "password_hash": password_hash} for name, password_hash in FOREIGN.items()]
    assert {"added": len(FOREIGN), "present": 0, "refused": 0} == counts(
        await asyncio.to_thread(import_, lines, "--json")
    )

    for name in FOREIGN:
        wrong = await auth.post("/login", {"username": name, "password": "wrong"})
        token = (await auth.log_in(name, FOREIGN_PASSWORD))["refresh_token"]
        [(stored,)] = auth.sql("SELECT password_hash FROM users WHERE id = ?", name)
        assert (401, True) == (wrong.status, stored.removeprefix("argon2").startswith("$argon2id$")), name
        assert 200 == (await auth.refresh(token))[0]
        assert await auth.log_in(name, FOREIGN_PASSWORD)


async def test_users_move_in_while_the_service_serves(auth: Auth, import_: Import) -> None:
    """Somebody who was just brought in logs in, and somebody who was there never notices."""
    token = (await auth.log_in())["refresh_token"]
    lines = [*many(BATCH), {"sub": "last", "password_hash": FAST_HASHER.hash("a password of old")}]
    importing = asyncio.create_task(asyncio.to_thread(import_, lines))
    while not importing.done():
        token = await auth.rotate(token)

    assert 0 == (await importing).status
    assert await auth.log_in("last", "a password of old")


def test_an_export_moves_in_elsewhere(
    run: Run, import_: Import, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes out goes in, hashes included."""
    import_([{"sub": name, "password_hash": password_hash} for name, password_hash in FOREIGN.items()])
    before = exported(run, tmp_path, "--with-hashes")
    monkeypatch.setenv("AUTH_DATABASE_URL", f"sqlite:///{tmp_path / 'other.db'}")

    assert len(FOREIGN) == counts(import_(before, "--json"))["added"]
    assert before == exported(run, tmp_path, "--with-hashes")
