"""FileStorage: modes, crashes, foreign files, other processes."""

import json
import logging
import os
import stat
from pathlib import Path

import platformdirs
import pytest

from dualtoken.client import FileStorage, StorageError
from tests.client.storage.test_every_storage import ENDED, HERE, session

ROOT = Path(__file__).resolve().parents[3]


def mode(path: Path) -> str:
    """Return the permission bits."""
    return oct(stat.S_IMODE(path.stat().st_mode))


def file_type(path: Path) -> int:
    """Return what kind of file it is."""
    return stat.S_IFMT(path.stat().st_mode)


def put(path: Path, data: bytes) -> None:
    """Write a file that is none of ours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def link(path: Path, to: Path) -> None:
    """Make the token file a link."""
    path.parent.mkdir(parents=True)
    path.symlink_to(to)


def make_node(path: Path, kind: int) -> None:
    """Make something else than a file."""
    path.parent.mkdir(parents=True)
    os.mknod(path, 0o600 | kind)


def text(path: Path) -> bytes:
    """Return what stands in a file."""
    return path.read_bytes()


def is_link(path: Path) -> bool:
    """Tell whether the token file is a link."""
    return path.is_symlink()


def names(path: Path) -> set[str]:
    """Return what stands beside the token file."""
    return {file.name for file in path.parent.iterdir()}


async def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    """Mode 0600 in a folder of mode 0700, the lock files included, whatever the umask."""
    old = os.umask(0)
    try:
        async with FileStorage(path).lock(HERE, 1):
            await FileStorage(path).save(HERE, session("r1"))
    finally:
        os.umask(old)

    assert "0o700" == mode(path.parent)
    assert ["0o600"] * 3 == [mode(path.parent / name) for name in names(path)]


async def test_a_file_that_others_can_read_is_closed_to_them(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A restored backup may have lost its mode."""
    await FileStorage(path).save(HERE, session("r1"))
    os.chmod(path, 0o644)  # noqa: PTH101 - beside os.umask; pathlib's is taken for blocking

    assert session("r1") == await FileStorage(path).load(HERE)
    assert ("0o600", "could be read by others" in caplog.text) == (mode(path), True)


async def test_the_default_is_the_platforms_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a path the file is where the platform keeps a user's data."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    assert platformdirs.user_data_path("dualtoken", appauthor=False) / "tokens.json" == FileStorage().path


async def test_account_names_tell_users_of_one_service_apart(path: Path) -> None:
    """Two users of one auth service share a file."""
    await FileStorage(path, account="work").save(HERE, session("r1"))
    await FileStorage(path, account="play").save(HERE, session("r2"))

    assert session("r1") == await FileStorage(path, account="work").load(HERE)
    assert await FileStorage(path).load(HERE) is None


async def test_all_sessions_of_a_file_are_listed(path: Path) -> None:
    """Ended ones too, by the service's address and the name of the account, which may have spaces."""
    storage = FileStorage(path)
    await storage.save(HERE, session("r1"))
    await storage.save("https://ended.example/", ENDED)
    await FileStorage(path, account="two words").save(HERE, session("r2"))

    assert {
        (HERE, "default"): session("r1"),
        ("https://ended.example/", "default"): ENDED,
        (HERE, "two words"): session("r2"),
    } == await storage.sessions()


FOREIGN = {
    "empty": b"",
    "half": b'{"format": "dualtoken-sessions", "version": 1, "acc',
    "binary": bytes(range(256)),
    "other JSON": b'{"tokens": {"a": 1}}',
    "a list": b"[]",
    "a wrong member": b'{"format": "dualtoken-sessions", "version": 1, "accounts": {"x": {"tokens": "secret"}}}',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN)
async def test_a_foreign_file_is_set_aside(path: Path, foreign: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """What is not ours keeps its bytes under another name, the log says so, and life goes on."""
    put(path, foreign)

    assert await FileStorage(path).load(HERE) is None
    assert foreign == text(path.with_name("tokens.json.set-aside-1"))
    assert "log in again" in caplog.text
    assert "secret" not in caplog.text


async def test_files_set_aside_never_replace_each_other(path: Path) -> None:
    """A second accident keeps the first one's file."""
    for accident in (b"one", b"two"):
        put(path, accident)
        await FileStorage(path).load(HERE)

    assert ["one", "two"] == [path.with_name(f"tokens.json.set-aside-{n}").read_text() for n in (1, 2)]


async def test_a_foreign_file_is_set_aside_by_a_write_too(path: Path) -> None:
    """Saving does not overwrite what it cannot read."""
    put(path, b"precious")
    await FileStorage(path).save(HERE, session("r1"))

    assert "precious" == path.with_name("tokens.json.set-aside-1").read_text()
    assert session("r1") == await FileStorage(path).load(HERE)


async def test_a_file_of_a_later_version_is_left_alone(path: Path) -> None:
    """It is neither read, nor set aside, nor overwritten; the message says what to do."""
    newer = json.dumps({"format": "dualtoken-sessions", "version": 2, "accounts": {"x": "new"}}).encode()
    put(path, newer)

    with pytest.raises(StorageError, match="newer dualtoken"):
        await FileStorage(path).load(HERE)
    with pytest.raises(StorageError, match="newer dualtoken"):
        await FileStorage(path).save(HERE, session("r1"))
    assert newer == text(path)


async def test_a_folder_in_its_place_is_a_clear_error(path: Path) -> None:
    """A path that cannot be a token file is named."""
    put(path / "inside", b"")

    with pytest.raises(StorageError, match=r"tokens\.json cannot be read: Is a directory"):
        await FileStorage(path).load(HERE)


@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFSOCK])
async def test_a_device_or_a_pipe_in_its_place_is_left_alone(path: Path, kind: int) -> None:
    """Reading a pipe would take for ever, and nobody else would find a device (/dev/null) that was set aside."""
    make_node(path, kind)
    storage = FileStorage(path)

    with pytest.raises(StorageError, match=r"tokens\.json is a device or a pipe"):
        await storage.load(HERE)
    with pytest.raises(StorageError, match=r"tokens\.json is a device or a pipe"):
        await storage.save(HERE, session("r1"))
    assert kind == file_type(path)


async def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    """Who keeps the file elsewhere goes on doing so."""
    real = tmp_path / "real.json"
    link(path, real)
    await FileStorage(path).save(HERE, session("r1"))

    assert session("r1") == await FileStorage(real).load(HERE)
    assert is_link(path)


async def test_a_link_and_its_file_have_one_lock(path: Path, tmp_path: Path) -> None:
    """Two names of one file keep each other out; nothing stands beside the link."""
    real = tmp_path / "real.json"
    link(path, real)
    async with FileStorage(path).lock(HERE, 1):
        with pytest.raises(TimeoutError):
            async with FileStorage(real).lock(HERE, 0.05):
                pytest.fail("two holders")
    await FileStorage(path).save(HERE, session("r1"))

    assert {"tokens.json"} == names(path)


async def test_a_full_disk_leaves_the_old_session(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails changes nothing and leaves no temporary file."""
    storage = FileStorage(path)
    await storage.save(HERE, session("r1"))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            await storage.save(HERE, session("r2"))

    assert session("r1") == await storage.load(HERE)
    assert {"tokens.json", "tokens.json.lock"} == names(path)


async def test_what_a_killed_writer_left_goes_with_the_next_write(path: Path) -> None:
    """A temporary file holds tokens: it does not stay for ever."""
    await FileStorage(path).save(HERE, session("r1"))
    put(path.with_name(".tokens.json.tmp"), b"half")
    await FileStorage(path).save(HERE, session("r2"))

    assert {"tokens.json", "tokens.json.lock"} == names(path)


async def test_every_write_reaches_the_disk_before_the_rename(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is write, fsync, rename, fsync of the folder."""
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor: int) -> None:
        steps.append("fsync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "fsync file")
        fsync(descriptor)

    def noted_replace(self: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    await FileStorage(path).save(HERE, session("r1"))

    assert ["fsync file", "rename", "fsync folder"] == steps


async def test_the_log_says_which_file_was_set_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One line with the old name, the new name and what to do."""
    put(path, b"x")
    await FileStorage(path).load(HERE)

    assert [
        (record.levelno, f"it is now {path}.set-aside-1; log in again" in record.getMessage())
        for record in caplog.records
        if record.name == "dualtoken.client"
    ] == [(logging.ERROR, True)]


async def test_a_relative_path_counts_from_where_the_storage_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that changes its folder keeps its session."""
    monkeypatch.chdir(tmp_path)
    storage = FileStorage("tokens.json")
    await storage.save(HERE, session("r1"))
    monkeypatch.chdir("/")

    assert session("r1") == await storage.load(HERE)
    assert tmp_path / "tokens.json" == storage.path
