"""KeyringStorage: what is special about key rings."""

import sys
from pathlib import Path

import keyring
import platformdirs
import pytest
from keyring.errors import KeyringLocked

from dualtoken.client import ConfigurationError, KeyringProofKey, KeyringStorage, StorageError
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


@pytest.mark.parametrize("error", [OSError(1783, "the stub received bad data"), ValueError("secret"), TypeError()])
@pytest.mark.parametrize("call", ["get_password", "set_password"])
async def test_any_error_of_a_back_end_is_a_clear_error(
    ring: FakeKeyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: Exception
) -> None:
    """Those of its own libraries, too, for sessions and for their key; some quote what they were given."""

    def refuse(*_: str) -> None:
        raise error

    monkeypatch.setattr(ring, call, refuse)
    with pytest.raises(StorageError) as told:
        await KeyringStorage(backend=ring, lock_folder=tmp_path).save(HERE, session("r1"))
    with pytest.raises(StorageError) as told_of_key:
        KeyringProofKey(backend=ring, lock_folder=tmp_path)

    expected = f"the key ring refuses: {type(error).__name__}"
    assert [expected] * 2 == [str(told.value), str(told_of_key.value)]
    assert (None, None) == (told.value.__cause__, told_of_key.value.__cause__)


def test_a_back_end_that_cannot_be_loaded_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One that the user has configured, say."""

    def missing() -> None:
        raise ModuleNotFoundError("nowhere")

    monkeypatch.setattr(keyring, "get_keyring", missing)

    with pytest.raises(StorageError, match=r"^the key ring refuses: ModuleNotFoundError$"):
        KeyringStorage(lock_folder=tmp_path)


def test_without_a_home_the_cure_is_told(ring: FakeKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock files have no other place."""

    def homeless(*_: object, **__: object) -> Path:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr(platformdirs, "user_data_path", homeless)

    with pytest.raises(ConfigurationError, match=r"no home folder here: set HOME"):
        KeyringStorage(backend=ring)


def test_a_folder_that_takes_no_lock_is_told(ring: FakeKeyring, tmp_path: Path) -> None:
    """Nor is a key made then."""
    (tmp_path / "file").touch()

    with pytest.raises(StorageError, match="cannot be written: Not a directory"):
        KeyringProofKey(backend=ring, lock_folder=tmp_path / "file" / "folder")
    assert {} == ring.entries


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
