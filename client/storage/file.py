"""Sessions in a file, shared by all processes of a user."""

import logging
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from ..errors import ConfigurationError, StorageError
from . import StoredSession, durable_file, file_format
from .file_systems import close_to_others
from .locking import account_lock, make_folder, write_lock
from .thread import Worker

_log = logging.getLogger("dualtoken.client")


def default_path() -> Path:
    """Return the token file in the platform's folder for this user's data.

    Raises:
        ConfigurationError: this user has no home.
    """
    import platformdirs

    with at_home(_CURE):
        return platformdirs.user_data_path("dualtoken", appauthor=False) / "tokens.json"


_CURE = "name the token file by its whole path"


@contextmanager
def at_home(cure: str) -> Iterator[None]:
    """Expand ``~``. Raises: ConfigurationError: there is none; *cure* helps."""
    try:
        yield
    except RuntimeError:
        raise ConfigurationError(f"there is no home folder here: {cure}") from None


class FileStorage:
    """Stores sessions in one file (mode 0600), for several accounts.

    Two lock files are beside it: a refresh holds one for its account, and a write holds the other for milliseconds.
    Both are kernel locks: a process that dies releases them.

    Args:
        path: the token file; None: :func:`default_path`. A missing folder is created with mode 0700.
        account: the name of the session, to keep several users of one auth service.

    Raises:
        ConfigurationError: *path* begins in a home folder, and there is none.
    """

    def __init__(self, path: str | Path | None = None, *, account: str = "default") -> None:
        with at_home(_CURE):
            self.path = (
                default_path() if path is None else Path(path).expanduser().absolute()
            )  # a daemon changes folders
        self._account = account
        self._worker = Worker()
        self._lock_worker = Worker()

    def __repr__(self) -> str:
        return f"FileStorage({str(self.path)!r}, account={self._account!r})"

    async def load(self, account: str) -> StoredSession | None:
        """Return the session stored last. A file in an unknown format is set aside, and that is logged."""
        return (await self._worker.run(self._read)).accounts.get(self._key(account))

    async def sessions(self) -> dict[tuple[str, str], StoredSession]:
        """Return all sessions of the file, ended ones too, by auth service and name of the account."""
        stored = (await self._worker.run(self._read)).accounts
        # An address has no space in it; a name may have several.
        return {(key.partition(" ")[0], key.partition(" ")[2]): session for key, session in stored.items()}

    async def save(self, account: str, session: StoredSession) -> None:
        """Store *session* unconditionally."""
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
            durable_file.replace(place, file_format.write(found))  # a link stays a link
            return True

    def _read(self) -> file_format.Document:
        try:
            return self._parse()
        except file_format.ForeignDocument:
            with write_lock(self._place()):  # a writer may have mended it meanwhile
                return self._read_locked()

    def _read_locked(self) -> file_format.Document:
        try:
            return self._parse()
        except file_format.ForeignDocument as reason:
            aside = durable_file.set_aside(self.path.resolve())
            _log.error("%s is not a token file (%s): it is now %s; log in again", self.path, reason, aside)
            return file_format.Document()

    def _parse(self) -> file_format.Document:
        try:
            # To read a pipe would take for ever; a device (/dev/null) that is set aside or replaced is gone for all.
            mode = self.path.stat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise StorageError(f"{self.path} is a device or a pipe, which cannot store tokens")
            with self.path.open("rb") as file:
                found = file_format.read(file.read(file_format.MAX_BYTES))
                close_to_others(file, self.path)
                return found
        except FileNotFoundError:
            return file_format.Document()
        except file_format.NewerDocument as reason:
            raise StorageError(f"{self.path} was written by a newer dualtoken ({reason}): update this one") from None
        except OSError as error:
            raise StorageError(f"{self.path} cannot be read: {error.strerror}") from error
