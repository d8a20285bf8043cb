"""KeyringStorage: what is special about key rings."""

import sys
from pathlib import Path

import keyring
import pytest
from keyring.errors import KeyringLocked

from dualtoken.client import KeyringProofKey, KeyringStorage, StorageError
from tests.client.storage.test_every_storage import HERE, FakeKeyring, session


def sizes(folder: Path) -> list[tuple[int, str]]:
    """Return size and name of each file."""
    return [(file.stat().st_size, file.name) for file in folder.iterdir()]


@pytest.fixture
def ring() -> FakeKeyring:
    """Return an empty key ring."""
    return FakeKeyring()


async def test_an_entry_that_is_none_of_ours_is_set_aside(
    ring: FakeKeyring, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It keeps its text under another name, and the log says so without quoting it."""
    ring.set_password("dualtoken", f"{HERE} default", "secret")
    storage = KeyringStorage(backend=ring, lock_folder=tmp_path)

    assert await storage.load(HERE) is None
    assert {("dualtoken", f"{HERE} default (set aside)"): "secret"} == ring.entries
    assert (True, False) == ("log in again" in caplog.text, "secret" in caplog.text)


async def test_a_locked_key_ring_is_a_clear_error(
    ring: FakeKeyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the kind of trouble and quotes nothing."""

    def locked(*arguments: str) -> None:
        raise KeyringLocked(f"cannot store {arguments}")

    monkeypatch.setattr(ring, "set_password", locked)

    with pytest.raises(StorageError, match=r"^the key ring refuses: KeyringLocked$"):
        await KeyringStorage(backend=ring, lock_folder=tmp_path).save(HERE, session("r1"))


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "keyring", None)

    with pytest.raises(StorageError, match=r"pip install 'dualtoken\[keyring\]'"):
        KeyringStorage()


async def test_the_machines_own_key_ring_is_the_default(
    ring: FakeKeyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a back end the library chooses."""
    monkeypatch.setattr(keyring, "get_keyring", lambda: ring)
    await KeyringStorage(lock_folder=tmp_path).save(HERE, session("r1"))

    assert [("dualtoken", f"{HERE} default")] == list(ring.entries)


async def test_lock_files_hold_nothing_and_name_nobody(ring: FakeKeyring, tmp_path: Path) -> None:
    """What stands in the folder tells neither account nor token."""
    storage = KeyringStorage(backend=ring, lock_folder=tmp_path)
    async with storage.lock(HERE, 1):
        await storage.save(HERE, session("r1"))

    found = sizes(tmp_path)
    assert [0, 0] == [size for size, _ in found]
    assert "example" not in "".join(name for _, name in found)


def test_a_key_is_made_once(ring: FakeKeyring, tmp_path: Path) -> None:
    """Whoever opens the ring next finds the same one; another account has another."""
    one, same, other = (
        KeyringProofKey(account=account, backend=ring, lock_folder=tmp_path) for account in ("a", "a", "b")
    )

    assert one.public_jwk == same.public_jwk
    assert one.public_jwk != other.public_jwk
    assert [("dualtoken", "a (DPoP key)"), ("dualtoken", "b (DPoP key)")] == sorted(ring.entries)


def test_an_entry_that_is_no_key_is_told(ring: FakeKeyring, tmp_path: Path) -> None:
    """It is named, and what it holds is not."""
    ring.set_password("dualtoken", "default (DPoP key)", "secret")
    with pytest.raises(StorageError, match="remove it and log in again") as refusal:
        KeyringProofKey(backend=ring, lock_folder=tmp_path)

    assert "secret" not in str(refusal.value)


def test_a_storage_knows_its_key(ring: FakeKeyring, tmp_path: Path) -> None:
    """It lies in the same ring, under the same account."""
    storage = KeyringStorage(account="work", backend=ring, lock_folder=tmp_path)
    before = storage.has_proof_key()
    made = storage.proof_key()

    assert (False, True) == (before, storage.has_proof_key())
    assert made.public_jwk == KeyringProofKey(account="work", backend=ring, lock_folder=tmp_path).public_jwk
