"""The command line, run as a user runs it."""

import asyncio
import json
import os
import pty
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from client.exits import Exit
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left."""

    code: int
    out: bytes
    err: str


Run = Callable[..., Awaitable[Done]]


@pytest.fixture
def run(token_file: Path) -> Run:
    """Return a function that runs a command on the token file of this test."""

    async def run(*arguments: str, line: str = "", **environment: str) -> Done:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", "-m", "client", *arguments),
            cwd=ROOT,
            env={
                **os.environ,
                "DUALTOKEN_TOKEN_FILE": str(token_file),
                "COLUMNS": "200",
                "TERM": "dumb",
                **environment,
            },
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(line.encode())
        assert process.returncode is not None
        return Done(process.returncode, out, err.decode())

    return run


@pytest.fixture
async def logged_in(run: Run, pair: Control) -> Done:
    """Log in."""
    return await run("login", "--auth", pair.auth_url, "--user", "zs", line=f"{PASSWORD}\n")


# login


async def test_login_reads_the_password_from_standard_input(logged_in: Done) -> None:
    """Its one line says who is logged in; nothing goes to standard output."""
    assert Done(Exit.OK, b"", "logged in as zs\n") == logged_in


async def test_login_asks_for_user_and_password_at_a_terminal(pair: Control, token_file: Path) -> None:
    """The password is not echoed."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "client", "login", "--auth", pair.auth_url),
        cwd=ROOT,
        env={**os.environ, "DUALTOKEN_TOKEN_FILE": str(token_file)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    screen = b""
    for prompt, typed in ((b"User name: ", "zs"), (b"Password: ", PASSWORD)):
        while not screen.endswith(prompt):
            screen += await asyncio.to_thread(os.read, ours, 1024)
        os.write(ours, f"{typed}\n".encode())
    code = await process.wait()
    screen += await asyncio.to_thread(os.read, ours, 1024)
    os.close(ours)

    assert (Exit.OK, True, False) == (code, b"logged in as zs" in screen, PASSWORD.encode() in screen)


async def test_no_option_takes_a_password(run: Run) -> None:
    """Arguments can be read by every user of the machine."""
    done = await run("login", "--help")

    assert b"--password" not in done.out
    assert Exit.USAGE == (await run("login", "--password", PASSWORD)).code


async def test_a_wrong_password_is_code_3(run: Run, pair: Control) -> None:
    """One line says so, and does not quote it."""
    done = await run("login", "--auth", pair.auth_url, "--user", "zs", line="wrong-secret\n")

    expected = "dualtoken: the auth service knows no such user and password\n"
    assert Done(Exit.LOGIN_REQUIRED, b"", expected) == done


async def test_a_login_that_cannot_be_kept_is_code_6(run: Run, pair: Control, token_file: Path) -> None:
    """Tokens that are gone with the process are no success."""
    block(token_file)
    done = await run("login", "--auth", pair.auth_url, "--user", "zs", line=f"{PASSWORD}\n")

    assert (Exit.STORAGE, b"") == (done.code, done.out)
    assert "could not be kept" in done.err
    assert "Traceback" not in done.err


def block(path: Path) -> None:
    """Put a folder where the token file should be."""
    path.mkdir(parents=True)


@pytest.mark.parametrize(
    ("auth_url", "code", "message"),
    [
        ("auth.example", Exit.USAGE, "the auth URL needs a scheme and a host: write it like https://auth.example"),
        ("http://auth.example", Exit.USAGE, "plain http to auth.example: tokens would travel readable"),
        ("http://127.0.0.1:9", Exit.UNAVAILABLE, "login: 127.0.0.1 cannot be reached"),
    ],
)
async def test_an_auth_service_that_cannot_be_used_is_named(run: Run, auth_url: str, code: Exit, message: str) -> None:
    """One line, with what to do; the password has not left."""
    done = await run("login", "--auth", auth_url, "--user", "zs", line=f"{PASSWORD}\n")

    assert (code, 1) == (done.code, done.err.count("\n"))
    assert message in done.err


# get


@pytest.mark.usefixtures("logged_in")
async def test_get_prints_the_body(run: Run, pair: Control) -> None:
    """And nothing else."""
    assert Done(Exit.OK, b'{"things": []}', "") == await run("get", f"{pair.api_url}/things")


@pytest.mark.usefixtures("logged_in")
async def test_get_renews_the_token(run: Run, pair: Control) -> None:
    """An expiry goes unnoticed, retries included: nothing is printed about them."""
    await pair.expire()
    await pair.fault("refresh", Fault("status", status=503), Fault("drop_after"))

    assert Done(Exit.OK, b'{"things": []}', "") == await run("get", f"{pair.api_url}/things")


@pytest.mark.usefixtures("logged_in")
async def test_get_includes_the_head(run: Run, pair: Control) -> None:
    """-i prints status and headers first, as curl does."""
    done = await run("get", "-i", f"{pair.api_url}/things")
    head, _, body = done.out.partition(b"\r\n\r\n")

    assert (b"HTTP/1.1 200 OK", b'{"things": []}') == (head.splitlines()[0], body)
    assert b"Content-Type: application/json" in head


@pytest.mark.usefixtures("logged_in")
async def test_get_writes_a_file(run: Run, pair: Control, tmp_path: Path) -> None:
    """-o keeps standard output free."""
    done = await run("get", "-o", str(tmp_path / "out"), f"{pair.api_url}/stream")

    assert (Exit.OK, b"", 300) == (done.code, done.out, size(tmp_path / "out"))


def size(path: Path) -> int:
    """Return how many bytes a file has."""
    return path.stat().st_size


@pytest.mark.parametrize("data", ["name=value", "@FILE", "@-"])
@pytest.mark.usefixtures("logged_in")
async def test_get_sends_data(run: Run, pair: Control, tmp_path: Path, data: str) -> None:
    """-d takes text, a file, or standard input, and a file is sent whole after a 401."""
    fill(tmp_path / "body", b"name=value")
    await pair.expire()
    argument = data.replace("FILE", str(tmp_path / "body"))
    done = await run("get", "-d", argument, f"{pair.api_url}/echo", line="name=value")

    assert (Exit.OK, 10) == (done.code, json.loads(done.out)["bytes"])


def fill(path: Path, data: bytes) -> None:
    """Write a file."""
    path.write_bytes(data)


@pytest.mark.usefixtures("logged_in")
async def test_get_sends_any_method_and_header(run: Run, pair: Control) -> None:
    """-X and -H; a caller's own Authorization is left alone."""
    done = await run("get", "-X", "PUT", "-H", "Authorization: Basic eA==", f"{pair.api_url}/early-refusal")

    assert Exit.HTTP_ERROR == done.code
    assert ["Basic eA=="] == (await pair.state())["seen"]


@pytest.mark.usefixtures("logged_in")
async def test_get_of_an_error_is_code_7(run: Run, pair: Control) -> None:
    """The body is printed all the same."""
    assert Exit.HTTP_ERROR == (await run("get", f"{pair.api_url}/forbidden")).code


async def test_get_without_a_session_is_code_3(run: Run, pair: Control) -> None:
    """It says what to run."""
    expected = Done(Exit.LOGIN_REQUIRED, b"", "dualtoken: no session: run `dualtoken login`\n")
    assert expected == await run("get", f"{pair.api_url}/things")


@pytest.mark.usefixtures("logged_in")
async def test_get_of_an_ended_session_is_code_3(run: Run, pair: Control) -> None:
    """It says who ended it, the second time as well."""
    await pair.end_sessions()
    expected = "dualtoken: the session was ended by the auth service: run `dualtoken login`\n"

    assert Done(Exit.LOGIN_REQUIRED, b"", expected) == await run("get", f"{pair.api_url}/things")
    again = await run("get", "--auth", pair.auth_url, f"{pair.api_url}/things")
    assert Done(Exit.LOGIN_REQUIRED, b"", expected) == again


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["things"], Exit.USAGE, "write it like https://"),
        (["http://api.example/"], Exit.USAGE, "plain http to api.example"),
        (["http://127.0.0.1:9/"], Exit.UNAVAILABLE, "127.0.0.1:9"),
        (["-d", "@/nowhere/at/all", "http://127.0.0.1:9/"], Exit.USAGE, "/nowhere/at/all: No such file"),
        (["-H", "secret-header", "http://127.0.0.1:9/"], Exit.USAGE, "a header is written as 'Name: value'"),
        (["-o", "/nowhere/at/all", "API/things"], Exit.FAILED, "No such file or directory: '/nowhere/at/all'"),
    ],
)
@pytest.mark.usefixtures("logged_in")
async def test_get_names_what_is_wrong(run: Run, pair: Control, arguments: list[str], code: Exit, message: str) -> None:
    """One line, no traceback, no secret."""
    done = await run("get", *(argument.replace("API", pair.api_url) for argument in arguments))

    assert (code, b"", 1) == (done.code, done.out, done.err.count("\n"))
    assert message in done.err
    assert "secret" not in done.err


@pytest.mark.usefixtures("logged_in")
async def test_get_stops_quietly_when_nobody_reads(pair: Control, token_file: Path) -> None:
    """`dualtoken get … | head -1` is no error."""
    process = await asyncio.create_subprocess_shell(
        f"{sys.executable} -m client get {pair.api_url}/stream | head -n 1",
        cwd=ROOT,
        env={**os.environ, "DUALTOKEN_TOKEN_FILE": str(token_file)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )

    assert (b"00\n", b"") == await process.communicate()


@pytest.mark.usefixtures("logged_in")
async def test_ctrl_c_is_code_130(pair: Control, run: Run, token_file: Path) -> None:
    """A command that is interrupted leaves no traceback, and the session goes on."""
    await pair.expire()
    await pair.fault("refresh", Fault("hang_after"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "client", "get", f"{pair.api_url}/things"),
        cwd=ROOT,
        env={**os.environ, "DUALTOKEN_TOKEN_FILE": str(token_file)},
        stderr=asyncio.subprocess.PIPE,
    )
    await pair.wait_for_hanging()
    process.send_signal(signal.SIGINT)
    _, errors = await process.communicate()
    await pair.release()

    assert (Exit.INTERRUPTED, b"") == (process.returncode, errors)
    assert Exit.OK == (await run("get", f"{pair.api_url}/things")).code
    assert {"reuses": 0} == await pair.counts("reuses")


@pytest.mark.usefixtures("logged_in")
async def test_two_shells_work_on_one_account(run: Run, pair: Control) -> None:
    """At an expiry one of them refreshes, and both get their answer."""
    await pair.expire()
    first, second = await asyncio.gather(*(run("get", f"{pair.api_url}/things") for _ in range(2)))

    assert (Exit.OK, Exit.OK) == (first.code, second.code)
    assert {"rotations": 1, "reuses": 0} == await pair.counts("rotations", "reuses")


# status


@pytest.mark.usefixtures("logged_in")
async def test_status_says_who_until_when_and_how_often(run: Run, pair: Control) -> None:
    """For people, without asking anybody."""
    await pair.expire()
    await run("get", f"{pair.api_url}/things")
    await pair.expire()
    done = await run("status")
    text = done.out.decode()

    assert Exit.OK == done.code
    assert f"{pair.auth_url}/" in text
    assert "zs <zs@example.org>" in text
    assert "59 min" in text
    assert "6 d 23 h left" in text
    assert ["refreshes", "so", "far", "1"] == text.splitlines()[-1].split()


@pytest.mark.usefixtures("logged_in")
async def test_status_as_json(run: Run, pair: Control) -> None:
    """For programs: one object."""
    report = json.loads((await run("status", "--json")).out)

    assert {
        "auth_url": f"{pair.auth_url}/",
        "logged_in": True,
        "ended": None,
        "username": "zs",
        "email": "zs@example.org",
        "scope": "read write",
        "refreshes": 0,
    } == {name: value for name, value in report.items() if not name.endswith(("_until", "_left_s"))}
    assert 3500 < report["access_left_s"] <= 3600
    assert report["access_until"].endswith("+00:00")


async def test_status_without_a_session_is_code_3(run: Run) -> None:
    """The JSON says so, too."""
    assert Done(Exit.LOGIN_REQUIRED, b"", "not logged in\n") == await run("status")
    done = await run("status", "--json")
    assert (Exit.LOGIN_REQUIRED, False) == (done.code, json.loads(done.out)["logged_in"])


@pytest.mark.usefixtures("logged_in")
async def test_status_of_an_ended_session_says_why(run: Run, pair: Control) -> None:
    """The reason stands in the token file."""
    await pair.end_sessions()
    await run("get", f"{pair.api_url}/things")
    done = await run("status", "--auth", pair.auth_url)

    assert Done(Exit.LOGIN_REQUIRED, b"", f"not logged in at {pair.auth_url}/ (revoked)\n") == done


@pytest.mark.usefixtures("logged_in")
@pytest.mark.usefixtures("logged_in")
async def test_several_sessions_have_to_be_told_apart(run: Run, pair: Control) -> None:
    """The message lists them."""
    local = pair.auth_url.replace("127.0.0.1", "localhost")
    await run("login", "--auth", local, "--user", "other", line=f"{PASSWORD}\n")
    done = await run("status")

    assert Exit.USAGE == done.code
    assert f"{pair.auth_url}/, {local}/" in done.err
    assert Exit.OK == (await run("status", "--auth", local)).code


@pytest.mark.usefixtures("logged_in")
async def test_accounts_tell_users_of_one_service_apart(run: Run, pair: Control) -> None:
    """--account names the session."""
    await run("login", "--account", "second", "--auth", pair.auth_url, "--user", "other", line=f"{PASSWORD}\n")

    assert ["zs", "other"] == [
        json.loads((await run("status", "--json", "--account", name)).out)["username"] for name in ("default", "second")
    ]


# logout


@pytest.mark.usefixtures("logged_in")
async def test_logout_ends_the_session(run: Run, pair: Control) -> None:
    """Here and there; a second one has nothing to do."""
    assert Done(Exit.OK, b"", "logged out\n") == await run("logout")
    assert {"live_sessions": 0} == await pair.counts("live_sessions")
    assert Exit.LOGIN_REQUIRED == (await run("logout")).code


@pytest.mark.usefixtures("logged_in")
async def test_logout_everywhere_ends_all_sessions(run: Run, pair: Control) -> None:
    """Those of other devices, too."""
    await run("login", "--account", "second", "--auth", pair.auth_url, "--user", "zs", line=f"{PASSWORD}\n")

    assert Done(Exit.OK, b"", "logged out everywhere\n") == await run("logout", "--everywhere")
    assert {"live_sessions": 0} == await pair.counts("live_sessions")


@pytest.mark.usefixtures("logged_in")
async def test_logout_without_the_service_is_code_4(run: Run, pair: Control) -> None:
    """The tokens are gone here, and the message says what could not be done."""
    await pair.fault("logout", Fault("status", status=503, retry_after="7"))
    done = await run("logout")

    expected = (
        "logged out here; the auth service could not be told: logout: the auth service answered 503: try again in 7 s\n"
    )
    assert Done(Exit.UNAVAILABLE, b"", expected) == done
    assert Exit.LOGIN_REQUIRED == (await run("status")).code


# The whole


async def test_a_foreign_token_file_is_set_aside(run: Run, pair: Control, token_file: Path) -> None:
    """Two lines: what became of it, and what to do; no traceback."""
    token_file.parent.mkdir()
    fill(token_file, b"mine!")
    done = await run("get", f"{pair.api_url}/things")

    assert (Exit.LOGIN_REQUIRED, 2) == (done.code, done.err.count("\n"))
    assert f"it is now {token_file}.set-aside-1; log in again" in done.err


async def test_help_lists_the_commands(run: Run) -> None:
    """And only what there is."""
    text = (await run("--help")).out.decode()

    assert ["login", "get", "status", "logout", "demo", "up", "web", "loadtest"] == [
        line.split()[1]
        for line in text.splitlines()
        if line.startswith("│ ") and line[2] != " " and "-" not in line[:4]
    ]


@pytest.mark.usefixtures("logged_in")
async def test_no_command_shows_a_token(run: Run, pair: Control) -> None:
    """Neither on standard output nor on standard error."""
    await pair.expire()
    outputs = [
        await run(*words) for words in (["get", "-i", f"{pair.api_url}/things"], ["status"], ["status", "--json"])
    ]
    text = "".join(done.out.decode() + done.err for done in outputs)

    assert [] == [secret for secret in ("at-1", "at-2", "rt-1", "rt-2", PASSWORD) if secret in text]
