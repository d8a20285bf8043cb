"""Sessions in the operating system's key ring, and the key that they can be bound to."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import platformdirs

from ..errors import StorageError
from ..proof_keys import MemoryProofKey, new_pem, read_pem
from . import StoredSession, file_format
from .file import at_home
from .locking import account_lock, make_folder, write_lock
from .thread import Worker

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

_log = logging.getLogger("dualtoken.client")

SERVICE: Final = "dualtoken"
_T = TypeVar("_T")


class KeyringStorage:
    """Stores each session as one entry of the key ring: needs the extra ``dualtoken[keyring]``.

    A key ring has no lock of its own, so lock files stand in the user's data folder; they hold nothing.

    Args:
        account: tells several users of one auth service apart.
        backend: None: the one that the ``keyring`` library finds on this machine.
        lock_folder: None: the platform's folder for this user's data.

    Raises:
        ConfigurationError: this user has no home, and *lock_folder* is None.
        StorageError: the library is missing, or has no back end that can be used.
    """

    def __init__(
        self, *, account: str = "default", backend: "KeyringBackend | None" = None, lock_folder: Path | None = None
    ) -> None:
        self._backend, self._locks = _ring(backend), _beside(lock_folder)
        self._account = account
        self._worker = Worker()
        self._lock_worker = Worker()

    def __repr__(self) -> str:
        return f"KeyringStorage(account={self._account!r}, backend={type(self._backend).__name__})"

    async def load(self, account: str) -> StoredSession | None:
        """Return the session stored last. An entry in an unknown format is set aside, and that is logged."""
        return await self._worker.run(self._read, self._key(account))

    async def save(self, account: str, session: StoredSession) -> None:
        """Store *session* unconditionally."""
        await self._worker.run(self._store, self._key(account), session, lambda _: True)

    async def swap(self, account: str, expected: str | None, session: StoredSession) -> bool:
        """Store *session* if the stored refresh token is *expected*."""

        def is_expected(stored: StoredSession | None) -> bool:
            return (stored.refresh_token if stored else None) == expected

        return await self._worker.run(self._store, self._key(account), session, is_expected)

    @asynccontextmanager
    async def lock(self, account: str, timeout_s: float) -> AsyncIterator[None]:
        """Keep other refreshers of *account* out, in all processes of this user."""
        await self._lock_worker.run(make_folder, self._locks.parent)
        async with account_lock(self._locks, self._key(account), timeout_s, self._lock_worker):
            yield

    def proof_key(self) -> "KeyringProofKey":
        """Return the key that its sessions are bound to (DPoP), from the same ring; it is made if there is none.

        Raises:
            ConfigurationError, StorageError: see ``KeyringProofKey``.
        """
        return KeyringProofKey(account=self._account, backend=self._backend, lock_folder=self._locks.parent)

    def has_proof_key(self) -> bool:
        """Whether there is such a key. Raises: StorageError."""
        return _call(self._backend.get_password, SERVICE, _proof_entry(self._account)) is not None

    def _key(self, account: str) -> str:
        return f"{account} {self._account}"

    def _read(self, key: str) -> StoredSession | None:
        text = _call(self._backend.get_password, SERVICE, key)
        if text is None:
            return None
        try:
            return file_format.read_session(str(text).encode())
        except file_format.ForeignDocument:
            aside = f"{key} (set aside)"
            _call(self._backend.set_password, SERVICE, aside, str(text))
            _call(self._backend.delete_password, SERVICE, key)
            _log.error("the key ring's entry for %s is not a session: it is now %r; log in again", key, aside)
            return None

    def _store(self, key: str, session: StoredSession, wanted: Callable[[StoredSession | None], bool]) -> bool:
        make_folder(self._locks.parent)
        with write_lock(self._locks):
            if not wanted(self._read(key)):
                return False
            _call(self._backend.set_password, SERVICE, key, file_format.write_session(session).decode())
            return True


class KeyringProofKey(MemoryProofKey):
    """A P-256 key in the key ring, made when it is first used: needs ``dualtoken[dpop,keyring]``.

    Whoever may open the ring can use it. Making one blocks as long as the system asks its user to open the ring.

    Args:
        account: tells several users apart.
        backend: None: the one that the ``keyring`` library finds on this machine.
        lock_folder: None: the platform's folder for this user's data.

    Raises:
        ConfigurationError: the extra ``dualtoken[dpop]`` is missing; or this user has no home.
        StorageError: the library of key rings is missing, the ring or the folder refuses, or the entry holds something
            else.
    """

    def __init__(
        self, *, account: str = "default", backend: "KeyringBackend | None" = None, lock_folder: Path | None = None
    ) -> None:
        ring, locks, entry = _ring(backend), _beside(lock_folder), _proof_entry(account)
        try:
            make_folder(locks.parent)
            with write_lock(locks):  # of two processes that make one, the first counts
                pem = _call(ring.get_password, SERVICE, entry)
                if pem is None:
                    pem = new_pem().decode()
                    _call(ring.set_password, SERVICE, entry, pem)
        except OSError as error:
            raise StorageError(f"{locks.parent} cannot be written: {error.strerror}") from error
        self._use(read_pem(str(pem).encode(), f"the key ring's entry {entry!r}"))


def _ring(backend: "KeyringBackend | None") -> "KeyringBackend":
    try:
        import keyring
    except ImportError:
        raise StorageError("the key ring needs an extra: pip install 'dualtoken[keyring]'") from None
    return backend or _call(keyring.get_keyring)


def _beside(lock_folder: Path | None) -> Path:
    with at_home("set HOME, for the lock files of the key ring"):
        return (lock_folder or platformdirs.user_data_path("dualtoken", appauthor=False)) / "keyring"


def _proof_entry(account: str) -> str:
    return f"{account} (DPoP key)"


def _call(function: Callable[..., _T], *args: str) -> _T:
    try:
        return function(*args)
    except Exception as error:  # those of a back end's own libraries, too
        # Some back ends quote what they were given.
        raise StorageError(f"the key ring refuses: {type(error).__name__}") from None
