"""FileStorage on file systems that refuse something, and for users without a home."""

import errno
import fcntl
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dualtoken.client import ConfigurationError, FileStorage
from dualtoken.client.storage import file_systems
from tests.client.storage.test_every_storage import HERE, session

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _nothing_was_told_before() -> None:
    file_systems.warn_once.cache_clear()


def refusing(number: int) -> Callable[..., None]:
    """Return a call that the kernel answers with that error."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EACCES])
async def test_a_folder_that_cannot_be_synced(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    """The session is stored, and that is told once."""
    sync = os.fsync

    def files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            refusing(number)()
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    storage = FileStorage(path)
    for token in ("r1", "r2"):
        await storage.save(HERE, session(token))

    assert session("r2") == await storage.load(HERE)
    assert 1 == len(told(caplog))


async def test_a_disk_error_of_a_folder_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is broken is not what cannot be had."""
    sync = os.fsync

    def broken(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            refusing(errno.EIO)()
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", broken)

    with pytest.raises(OSError, match="Input/output"):
        await FileStorage(path).save(HERE, session("r1"))


@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL, errno.EROFS])
async def test_a_mode_that_cannot_be_set(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    """The file stays readable by others, as everything there is: told once, and it is read."""
    storage = FileStorage(path)
    await storage.save(HERE, session("r1"))
    path.chmod(0o755)  # noqa: ASYNC240
    monkeypatch.setattr(os, "fchmod", refusing(number))

    assert [session("r1")] * 2 == [await storage.load(HERE) for _ in range(2)]
    assert ["can be read by others" in line for line in told(caplog)] == [True]


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
async def test_a_disk_without_locks(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    """No lock that a crash would leave behind takes its place: it goes on without, and says so once."""
    monkeypatch.setattr(fcntl, "flock", refusing(number))
    storage = FileStorage(path)
    for token in ("r1", "r2"):
        async with storage.lock(HERE, 1):
            await storage.save(HERE, session(token))

    assert session("r2") == await storage.load(HERE)
    assert ["no locks" in line for line in told(caplog)] == [True]
    assert {"tokens.json"} == {file.name for file in path.parent.iterdir() if not file.name.endswith(".lock")}


async def test_a_folder_that_is_read_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands there is read; a write is the error that the kernel gives."""
    await FileStorage(path).save(HERE, session("r1"))
    monkeypatch.setattr(os, "open", refusing(errno.EROFS))
    storage = FileStorage(path)

    assert session("r1") == await storage.load(HERE)
    with pytest.raises(OSError, match="Read-only"):
        await storage.save(HERE, session("r2"))


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As shells have it, though no shell has written it out: no folder of that name is made."""
    monkeypatch.setenv("HOME", str(tmp_path))

    assert tmp_path / "t.json" == FileStorage("~/t.json").path


@pytest.mark.parametrize("path", [None, "~/t.json"])
def test_without_a_home_a_path_is_asked_for(monkeypatch: pytest.MonkeyPatch, path: str | None) -> None:
    """A container's user often has none."""
    for name in ("HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", refusing_key)

    with pytest.raises(ConfigurationError, match="no home folder"):
        FileStorage(path)


def refusing_key(uid: int) -> None:
    """Know no user."""
    raise KeyError(uid)


def test_the_command_line_without_a_home_says_so(tmp_path: Path) -> None:
    """One line, and no trace."""
    code = "import pwd, sys; pwd.getpwuid = {}.__getitem__; from dualtoken.client.__main__ import main; main()"
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", code, "status"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert 1 == len(done.stderr.splitlines()), done.stderr
    assert "no home folder" in done.stderr
    assert [] == list(tmp_path.iterdir())
