"""``dualtoken login``, run as a user runs it."""

import asyncio
import os
import pty
import sys
from pathlib import Path

import pytest

from client.exits import Exit
from tests.client.cli.running import ROOT, Done, Run
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.pair import Control


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
