"""``dualtoken login``, run as a user runs it."""

import asyncio
import json
import os
import pty
import stat
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import typer

from dualtoken.client import ConfigurationError
from dualtoken.client.commands.exit_codes import Exit
from dualtoken.client.commands.prompt import ask
from dualtoken.client.proof_keys import key_path
from tests.client.commands.running import ROOT, Done, Run
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
    with suppress(OSError):  # how Linux says that nobody has the other end any more, and that all was read
        while more := await asyncio.to_thread(os.read, ours, 1024):
            screen += more
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
    assert "could not be stored" in done.err
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


@pytest.mark.parametrize("line", ["", "\n", "\ufeff\n", "\udcff\udcfe\n"])
async def test_a_password_is_text(run: Run, pair: Control, line: str) -> None:
    """Neither nothing nor bytes that are none; the auth service is not asked."""
    strict = {"PYTHONIOENCODING": "utf-8"}
    done = await run("login", "--auth", pair.auth_url, "--user", "zs", line=line, **strict)
    again = await run("login", "--auth", pair.auth_url, "--user", "zs", line=line)

    assert done == again
    assert (Exit.USAGE, 1) == (done.code, done.err.count("\n"))
    assert "no password, or not valid text" in done.err


async def test_a_mark_before_a_password_is_none_of_it(run: Run, pair: Control) -> None:
    """PowerShell's pipes begin with one."""
    done = await run("login", "--auth", pair.auth_url, "--user", "zs", line=f"\ufeff{PASSWORD}\r\n")

    assert Exit.OK == done.code, done.err


C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


async def test_a_name_is_text_in_any_locale(run: Run, pair: Control) -> None:
    """Where it stands among the arguments, too; bytes that are none are not sent."""
    login = ("login", "--auth", pair.auth_url)
    done = [
        await run(*login, "--user", "zürich", line=f"{PASSWORD}\n", **C_LOCALE),
        await run(*login, line=f"zürich\n{PASSWORD}\n", **C_LOCALE),
        await run(*login, "--user", "\udcff", line=f"{PASSWORD}\n"),
    ]

    assert [Exit.OK, Exit.OK, Exit.USAGE] == [each.code for each in done], done
    assert ["logged in as z\\xfcrich\n"] * 2 == [each.err for each in done[:2]]
    assert "no user name, or not valid text" in done[2].err


def test_what_is_typed_and_no_text_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of a locale that has no such signs leads to no traceback."""

    def ascii_terminal(*_: object, **__: object) -> str:
        return b"p\xc3\xa4ss".decode("ascii")

    monkeypatch.setattr(typer, "prompt", ascii_terminal)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)

    with pytest.raises(ConfigurationError, match="no password, or not valid text"):
        ask("Password", hide_input=True)


async def test_user_and_password_are_lines_of_standard_input(run: Run, pair: Control) -> None:
    """The user name first, where no option names it, whatever ends the lines and stands before them."""
    login = ("login", "--auth", pair.auth_url)
    done = [await run(*login, line=line) for line in (f"zs\n{PASSWORD}\n", f"\ufeffzs\r\n{PASSWORD}\r\n")]

    assert [Done(Exit.OK, b"", "logged in as zs\n")] * 2 == done
    nobody = await run(*login, line="")
    assert (Exit.USAGE, 1) == (nobody.code, nobody.err.count("\n"))
    assert "no user name, or not valid text" in nobody.err


async def test_login_binds_the_session_to_a_key(run: Run, pair: Control, token_file: Path) -> None:
    """With ``--bind`` the key is made beside the token file, for its owner alone; later commands find it there."""
    options = ("login", "--auth", pair.auth_url, "--user", "zs", "--bind")
    done = await run(*options, line=f"{PASSWORD}\n")
    key = key_path(token_file)
    made = key.read_bytes()
    token = await run("token")

    assert (Exit.OK, Exit.OK) == (done.code, token.code), done.err + token.err
    assert (0o600, made) == (stat.S_IMODE(key.stat().st_mode), key.read_bytes())


@pytest.mark.parametrize("spoiled", ["no key", None])
async def test_logout_needs_no_key(run: Run, pair: Control, token_file: Path, spoiled: str | None) -> None:
    """Whatever has become of it, the session ends here and at the auth service."""
    await run("login", "--auth", pair.auth_url, "--user", "zs", "--bind", line=f"{PASSWORD}\n")
    key_path(token_file).unlink()
    if spoiled:
        key_path(token_file).write_text(spoiled)
    done = await run("logout")

    assert (Exit.OK, "logged out\n") == (done.code, done.err)


async def test_login_binds_the_session_to_a_key_of_the_key_ring(run: Run, pair: Control, tmp_path: Path) -> None:
    """With ``--keyring`` tokens and key lie there together, and later commands find both."""
    ring = tmp_path / "ring.json"
    environment = {
        "PYTHON_KEYRING_BACKEND": "tests.client.commands.file_ring.FileRing",
        "FILE_RING": str(ring),
        "XDG_DATA_HOME": str(tmp_path / "data"),
    }
    options = ("--auth", pair.auth_url, "--keyring")
    done = await run("login", "--user", "zs", "--bind", *options, line=f"{PASSWORD}\n", **environment)
    made = ring_entry(ring)
    token = await run("token", *options, **environment)

    assert (Exit.OK, Exit.OK) == (done.code, token.code), done.err + token.err
    assert made.startswith("-----BEGIN PRIVATE KEY-----")
    assert made == ring_entry(ring)


def ring_entry(ring: Path) -> str:
    """Return the key in a key ring."""
    return str(json.loads(ring.read_text())["dualtoken: default (DPoP key)"])
