"""Sessions in the operating system's key ring."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import platformdirs

from client.errors import StorageError
from client.storage import StoredSession, document
from client.storage.locking import account_lock, make_folder, write_lock
from client.storage.worker import Worker

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

_log = logging.getLogger("dualtoken.client")

SERVICE: Final = "dualtoken"


class KeyringStorage:
    """Keeps each session as one entry of the key ring: needs the extra ``dualtoken[keyring]``.

    A key ring has no lock of its own, so lock files stand in the user's data folder; they hold nothing.

    Args:
        account: tells several users of one auth service apart.
        backend: None: the one that the ``keyring`` library finds on this machine.
        lock_folder: None: the platform's folder for this user's data.

    Raises:
        StorageError: the library is missing.
    """

    def __init__(
        self, *, account: str = "default", backend: "KeyringBackend | None" = None, lock_folder: Path | None = None
    ) -> None:
        try:
            import keyring
        except ImportError:
            raise StorageError("the key ring needs an extra: pip install 'dualtoken[keyring]'") from None
        self._backend = backend or keyring.get_keyring()
        self._account = account
        self._locks = (lock_folder or platformdirs.user_data_path("dualtoken", appauthor=False)) / "keyring"
        self._worker = Worker()
        self._lock_worker = Worker()

    def __repr__(self) -> str:
        return f"KeyringStorage(account={self._account!r}, backend={type(self._backend).__name__})"

    async def load(self, account: str) -> StoredSession | None:
        """Return what was stored last. An entry that is not ours is set aside, which the log says."""
        return await self._worker.run(self._read, self._key(account))

    async def save(self, account: str, session: StoredSession) -> None:
        """Store *session*, whatever was there."""
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

    def _key(self, account: str) -> str:
        return f"{account} {self._account}"

    def _read(self, key: str) -> StoredSession | None:
        text = self._call(self._backend.get_password, SERVICE, key)
        if text is None:
            return None
        try:
            return document.read_session(str(text).encode())
        except document.ForeignDocument:
            aside = f"{key} (set aside)"
            self._call(self._backend.set_password, SERVICE, aside, str(text))
            self._call(self._backend.delete_password, SERVICE, key)
            _log.error("the key ring's entry for %s is not a session: it is now %r; log in again", key, aside)
            return None

    def _store(self, key: str, session: StoredSession, wanted: Callable[[StoredSession | None], bool]) -> bool:
        make_folder(self._locks.parent)
        with write_lock(self._locks):
            if not wanted(self._read(key)):
                return False
            self._call(self._backend.set_password, SERVICE, key, document.write_session(session).decode())
            return True

    def _call(self, function: Callable[..., object], *args: str) -> object:
        from keyring.errors import KeyringError

        try:
            return function(*args)
        except KeyringError as error:
            # Some back ends quote what they were given.
            raise StorageError(f"the key ring refuses: {type(error).__name__}") from None
