"""Sessions in a file, shared by all processes of a user."""

import logging
import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

import platformdirs

from client.errors import StorageError
from client.storage import StoredSession, document, durable
from client.storage.locking import account_lock, make_folder, write_lock
from client.storage.worker import Worker

_log = logging.getLogger("dualtoken.client")


def default_path() -> Path:
    """Return the token file in the platform's folder for this user's data."""
    return platformdirs.user_data_path("dualtoken", appauthor=False) / "tokens.json"


class FileStorage:
    """Keeps sessions in one file (mode 0600), several accounts beside each other.

    Two locks stand beside the file: one a refresh holds for its account, and one is held for the milliseconds in which
    the file is rewritten. Both are the kernel's: a process that dies lets go of them.

    Args:
        path: the token file itself; None: :func:`default_path`. A folder that is missing is made with mode 0700.
        account: tells several users of one auth service apart.
    """

    def __init__(self, path: str | Path | None = None, *, account: str = "default") -> None:
        self.path = default_path() if path is None else Path(path)
        self._account = account
        self._worker = Worker()
        self._lock_worker = Worker()

    def __repr__(self) -> str:
        return f"FileStorage({str(self.path)!r}, account={self._account!r})"

    async def load(self, account: str) -> StoredSession | None:
        """Return what was stored last. A file that is not ours is set aside, which the log says."""
        return (await self._worker.run(self._read)).accounts.get(self._key(account))

    async def live_accounts(self) -> list[str]:
        """Return for which accounts there is a session, of those with this storage's account name."""
        suffix = f" {self._account}"
        stored = (await self._worker.run(self._read)).accounts
        return [key.removesuffix(suffix) for key, session in stored.items() if key.endswith(suffix) and session.tokens]

    async def save(self, account: str, session: StoredSession) -> None:
        """Store *session*, whatever was there."""
        await self._worker.run(self._write, self._key(account), session, lambda _: True)

    async def swap(self, account: str, expected: str | None, session: StoredSession) -> bool:
        """Store *session* if the stored refresh token is *expected*."""

        def is_expected(stored: StoredSession | None) -> bool:
            return (stored.refresh_token if stored else None) == expected

        return await self._worker.run(self._write, self._key(account), session, is_expected)

    @asynccontextmanager
    async def lock(self, account: str, timeout_s: float) -> AsyncIterator[None]:
        """Keep other refreshers of *account* out, in all processes."""
        place = await self._lock_worker.run(self._place)
        async with account_lock(place, self._key(account), timeout_s, self._lock_worker):
            yield

    def _place(self) -> Path:
        """Return where the file itself stands, in a folder that exists.

        What stands beside it stands there: locks beside a link would keep nobody out who knows the file by its name.
        """
        place = self.path.resolve()
        make_folder(place.parent)
        return place

    def _key(self, account: str) -> str:
        return f"{account} {self._account}"

    def _write(self, key: str, session: StoredSession, wanted: Callable[[StoredSession | None], bool]) -> bool:
        place = self._place()
        with write_lock(place):
            found = self._read_locked()
            if not wanted(found.accounts.get(key)):
                return False
            found.accounts[key] = session
            durable.replace(place, document.write(found))  # a link stays a link
            return True

    def _read(self) -> document.Document:
        try:
            return self._parse()
        except document.ForeignDocument:
            with write_lock(self._place()):  # a writer may have mended it meanwhile
                return self._read_locked()

    def _read_locked(self) -> document.Document:
        try:
            return self._parse()
        except document.ForeignDocument as reason:
            aside = durable.set_aside(self.path.resolve())
            _log.error("%s is not a token file (%s): it is now %s; log in again", self.path, reason, aside)
            return document.Document()

    def _close_to_others(self, file: IO[bytes]) -> None:
        if os.name == "posix" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            os.fchmod(file.fileno(), 0o600)
            _log.warning("%s could be read by others: its mode is 0600 now", self.path)

    def _parse(self) -> document.Document:
        try:
            with self.path.open("rb") as file:
                found = document.read(file.read(document.MAX_BYTES))
                self._close_to_others(file)
                return found
        except FileNotFoundError:
            return document.Document()
        except document.NewerDocument as reason:
            raise StorageError(f"{self.path} was written by a newer dualtoken ({reason}): update this one") from None
        except OSError as error:
            raise StorageError(f"{self.path} cannot be read: {error.strerror}") from error
