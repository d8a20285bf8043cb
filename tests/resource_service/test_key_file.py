import os
from pathlib import Path

import pytest

from resource_service.errors import KeySetRefused
from resource_service.key_file import KEY_SET_LIMIT, KeyFile
from tests.resource_service.issuer import Key, write_keys


async def test_a_file_is_read(tmp_path: Path) -> None:
    """The first key signs, all verify."""
    path = write_keys(tmp_path / "keys.json", Key("new"), Key("old"))

    assert ["new", "old"] == list((await KeyFile(path).fetch()).keys)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
async def test_secrets_that_others_may_read_are_refused(mode: int, tmp_path: Path) -> None:
    """Group and world have no business in a file with a shared or private key."""
    path = write_keys(tmp_path / "keys.json", Key(), mode=mode)

    with pytest.raises(KeySetRefused, match=f"mode {mode:04o}, not 0600"):
        await KeyFile(path).fetch()


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
