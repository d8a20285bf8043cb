"""Commands speak to any terminal, and nothing that strangers wrote acts on it."""

import asyncio
import os
import subprocess
import sys
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import pytest

from dualtoken.auth_service.domain.clock import wall_clock
from dualtoken.auth_service.domain.models import User
from dualtoken.auth_service.settings import Settings
from dualtoken.auth_service.store.sql import open_store
from tests.auth_service.command_line import Run
from tests.auth_service.running import FAST_HASHER, Auth, ManualClock

PASSWORD = "correct horse battery staple"
# A title, a clear screen, C1's CSI, an override of the direction, an isolate, a mark, a line separator.
ACTING = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egpj.exe\u2066\u200f\u2028"


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still now: commands read the machine's, by which a session may be over."""
    return ManualClock(wall_clock())


def acts(text: str) -> set[str]:
    """Return the characters of *text* that a terminal would act on, line ends aside."""
    return {each for each in text if each != "\n" and unicodedata.category(each) in {"Cc", "Cf", "Zl", "Zp"}}


def command(
    *arguments: str, env: Mapping[str, str] | None = None, stdin: bytes = b"", closing: str = ""
) -> subprocess.CompletedProcess[bytes]:
    """Run ``python -m auth_service`` in a shell that may close a stream before: ``<&-``."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {closing}', "sh", sys.executable, "-m", "auth_service", *arguments],
        input=stdin,
        env={**os.environ, **(env or {})},
        capture_output=True,
        check=False,
    )


async def test_a_user_agent_does_not_act(run: Run, auth: Auth) -> None:
    """Whoever logs in chooses it, byte by byte."""
    acting = ACTING.translate(dict.fromkeys(range(32)))  # a header holds none of these
    await auth.post("/login", {"username": "zs", "password": PASSWORD}, headers={"User-Agent": f"curl {acting}"})
    listed = await asyncio.to_thread(run, "sessions", "list", "zs")

    assert 0 == listed.status
    assert set() == acts(listed.out)
    assert "\\x9b31m\\u202egpj.exe" in listed.out


async def test_a_user_does_not_act(run: Run, settings: Settings) -> None:
    """An older release may have let in what none lets in today: it is shown, in lists and sentences."""
    user = User(id="u-1", username=f"zs{ACTING}", email=f"zs{ACTING}@example.org", scope="read")
    async with open_store(settings.database_url.get_secret_value()) as store:
        await store.add_user(user, FAST_HASHER.hash(PASSWORD), now=0)
    listed = await asyncio.to_thread(run, "users", "list")
    more = await asyncio.to_thread(run, "users", "list", "--limit", "1", "--json")

    assert (0, 0) == (listed.status, more.status)
    assert set() == acts(listed.out) | acts(more.out)
    assert "zs\\x1b]0;owned" in listed.out


def test_a_terminal_that_knows_ascii_alone_gets_ascii(run: Run) -> None:
    """What it lacks is an escape: no name stops a command."""
    assert 0 == run("users", "add", "zoë", "--email", "zs@example.org", stdin=f"{PASSWORD}\n").status
    ascii_only = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = [
        command(*arguments, env=ascii_only)
        for arguments in (("migrate",), ("users", "list"), ("users", "disable", "zoë"))
    ]

    assert [0, 0, 0] == [each.returncode for each in done]
    assert all(each.stdout.isascii() for each in done)
    assert rb"zo\xeb" in done[1].stdout


@pytest.mark.parametrize("closing", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_traceback(run: Run, closing: str) -> None:
    """A supervisor may close any of the three."""
    run("migrate")
    listed = command("users", "list", closing=closing)
    added = command("users", "add", "zs", "--email", "zs@example.org", closing=closing)

    assert (0, 2) == (listed.returncode, added.returncode)
    assert b"Traceback" not in listed.stderr + added.stderr


@pytest.mark.parametrize("env", [{"PYTHONUTF8": "1"}, {"PYTHONIOENCODING": "utf-8"}, {"LC_ALL": "C"}])
@pytest.mark.usefixtures("run")
def test_a_password_that_is_no_text_is_one_line(tmp_path: Path, env: dict[str, str]) -> None:
    """In every locale, and nothing is stored."""
    done = command("users", "add", "zs", "--email", "zs@example.org", env=env, stdin=b"\xff\xfe and enough of it\n")

    assert (2, b"auth_service: password: not UTF-8 text\n") == (done.returncode, done.stderr)
    assert not (tmp_path / "auth.db").exists()


@pytest.mark.parametrize("env", [{"PYTHONUTF8": "1"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
async def test_a_password_is_the_same_in_every_locale(run: Run, auth: Auth, env: dict[str, str]) -> None:
    """Its bytes are UTF-8, whatever the terminal knows."""
    await asyncio.to_thread(run, "migrate")
    password = "mon précieux mot de passe 漢字"
    done = await asyncio.to_thread(command, "users", "set-password", "zs", env=env, stdin=f"{password}\n".encode())

    assert 0 == done.returncode, done.stderr
    assert (await auth.log_in(password=password))["refresh_token"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, names of files are text")
@pytest.mark.parametrize("name", ["\udcff\udcfe", "a\nb", "\x1b[2J", "\u202e", "-", " "])
def test_a_file_name_may_be_strange(run: Run, tmp_path: Path, name: str) -> None:
    """Keys are made and listed in any folder, and its name does not act."""
    made = run("keys", "init", "--dir", str(tmp_path / name))
    listed = run("keys", "list", "--dir", str(tmp_path / name))
    missing = run("keys", "list", "--dir", str(tmp_path / f"{name}x"))

    assert (0, 0, 2) == (made.status, listed.status, missing.status)
    assert set() == acts(made.out + listed.out + missing.err)
    assert (tmp_path / name / "access.jwks.json").exists()


@pytest.mark.parametrize("columns", ["20", "80", "500"])
async def test_names_and_ids_are_never_cut(
    run: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    """The commands ask for them: they stand in one piece, however narrow the terminal and long the id is."""
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("FORCE_COLOR", "1")  # as a terminal
    user = User(id="i" * 255, username="n" * 100, email="zs@example.org", scope="read write")
    async with open_store(settings.database_url.get_secret_value()) as store:
        await store.add_user(user, FAST_HASHER.hash(PASSWORD), now=0)
    listed = await asyncio.to_thread(run, "users", "list")

    assert user.id in listed.out
    assert user.username in listed.out
    assert "…" not in listed.out
