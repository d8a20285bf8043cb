import asyncio
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dualtoken.resource_service.errors import KeySetRefused
from dualtoken.resource_service.keys.key_file import KEY_SET_LIMIT, KeyFile, _is_open_to_others
from tests.deadline import HANGS_S
from tests.resource_service.issuer import Key, write_keys


async def test_a_file_is_read(tmp_path: Path) -> None:
    """The first key signs, all verify."""
    path = write_keys(tmp_path / "keys.json", Key("new"), Key("old"))

    assert ["new", "old"] == list((await KeyFile(path).fetch()).keys)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o650, 0o660])
async def test_secrets_that_others_may_read_are_refused(mode: int, tmp_path: Path) -> None:
    """The world has no business in a file with a shared or private key, and a group may only read it."""
    path = write_keys(tmp_path / "keys.json", Key(), mode=mode)

    with pytest.raises(KeySetRefused, match=f"mode {mode:04o}, not 0600"):
        await KeyFile(path).fetch()


async def test_a_mark_at_its_beginning_is_none_of_it(tmp_path: Path) -> None:
    """Some editors write one: the auth service reads the same file."""
    path = write_keys(tmp_path / "keys.json", Key())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))

    assert ["k1"] == list((await KeyFile(path).fetch()).keys)


async def test_a_group_may_read_secrets(tmp_path: Path) -> None:
    """Kubernetes gives a secret as root's, readable by the pod's group."""
    path = write_keys(tmp_path / "keys.json", Key(), mode=0o440)

    assert (await KeyFile(path).fetch()).secret


@pytest.mark.parametrize(
    ("mode", "owner", "expected"),
    [
        (0o440, 0, False),
        (0o440, os.geteuid(), False),
        (0o440, os.geteuid() + 1, True),
        (0o460, 0, True),
        (0o444, 0, True),
        (0o400, os.geteuid() + 1, False),
    ],
)
def test_a_group_is_trusted_by_root_and_by_the_service_alone(mode: int, owner: int, expected: bool) -> None:
    """A file that a stranger owns is readable by a group of the stranger's choice."""
    status = os.stat_result((stat.S_IFREG | mode, 1, 1, 1, owner, 1, 1, 1, 1, 1))

    assert expected is _is_open_to_others(status)


async def test_a_look_needs_no_thread_of_the_application(tmp_path: Path) -> None:
    """An application whose own calls hold every thread of the loop's executor still learns of new keys."""
    path, loop, freed = write_keys(tmp_path / "keys.json", Key()), asyncio.get_running_loop(), threading.Event()
    with ThreadPoolExecutor(1) as only:
        loop.set_default_executor(only)
        held = loop.run_in_executor(None, freed.wait)
        try:
            found = await asyncio.wait_for(KeyFile(path).fetch(), HANGS_S)
        finally:
            freed.set()
            await held

    assert ["k1"] == list(found.keys)


async def test_public_keys_may_be_read_by_all(tmp_path: Path) -> None:
    """There is nothing to hide."""
    path = write_keys(tmp_path / "keys.json", Key(alg="EdDSA").jwk, mode=0o644)

    assert not (await KeyFile(path).fetch()).secret


async def test_a_file_changed_in_place_is_seen(tmp_path: Path) -> None:
    """Not even time and size have to tell that it changed."""
    path = write_keys(tmp_path / "keys.json", Key("k1"))
    source = KeyFile(path)
    before, times = await source.fetch(), path.stat()
    path.write_text(path.read_text().replace('"k1"', '"k2"'))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    assert (["k1"], ["k2"]) == (list(before.keys), list((await source.fetch()).keys))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file or directory"),
        ("", "not a JWK Set"),
        (" " * (KEY_SET_LIMIT + 1), "larger than 65536 bytes"),
    ],
)
async def test_an_unusable_file_is_named(content: str | None, problem: str, tmp_path: Path) -> None:
    """With its path and what is wrong."""
    path = tmp_path / "keys.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(KeySetRefused, match=f"key file {path}: {problem}"):
        await KeyFile(path).fetch()
