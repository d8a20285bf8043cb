"""Which session a command of the command line is about."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from client.addresses import auth_base
from client.errors import ConfigurationError, LoginRequired, StorageError
from client.source import TokenSource
from client.storage import Storage, StoredSession
from client.storage.file import FileStorage
from client.storage.keychain import KeyringStorage

DEFAULT_AUTH_URL: Final = "http://127.0.0.1:8001"


@dataclass(frozen=True, slots=True)
class Account:
    """The options that all commands share.

    Attributes:
        auth_url: None: the auth service of the only session that is stored.
        name: tells several users of one auth service apart.
        token_file: None: the platform's default.
        timeout_s: for one exchange with the auth service.
    """

    auth_url: str | None
    name: str
    token_file: Path | None
    keyring: bool
    allow_insecure: bool
    timeout_s: float

    def storage(self) -> FileStorage | KeyringStorage:
        """Return where the session is kept.

        Raises:
            StorageError: the key ring is wanted and its library is missing.
        """
        if self.keyring:
            return KeyringStorage(account=self.name)
        return FileStorage(self.token_file, account=self.name)

    async def source(self, *, auth_url: str | None = None) -> TokenSource:
        """Return a token source for the session.

        Raises:
            ConfigurationError: several auth services have one, and none was named.
            LoginRequired: none has one, and none was named.
        """
        storage = self.storage()
        url = auth_url or self.auth_url or _only(await _auth_urls(storage))
        return TokenSource(url, storage=storage, refresh_timeout_s=self.timeout_s, allow_insecure=self.allow_insecure)

    async def stored(self) -> tuple[str | None, StoredSession | None]:
        """Return the session as it is stored, and the address of its auth service; None for what there is not."""
        storage: Storage = self.storage()
        url = self.auth_url
        if url is None:
            if not (found := await _auth_urls(storage)):
                return None, None
            url = _only(found)
        base = str(auth_base(url, allow_insecure=self.allow_insecure))
        return base, await storage.load(base)


async def _auth_urls(storage: Storage) -> Sequence[str]:
    if isinstance(storage, FileStorage):
        return await storage.live_accounts()
    raise ConfigurationError("with --keyring, name the auth service: --auth URL, or DUALTOKEN_AUTH_URL")


def _only(auth_urls: Sequence[str]) -> str:
    if not auth_urls:
        raise LoginRequired
    if len(auth_urls) > 1:
        raise ConfigurationError(f"several sessions: say which with --auth URL: {', '.join(auth_urls)}")
    return auth_urls[0]


def not_stored(storage: Storage) -> StorageError:
    """Return the error for a login whose tokens would be gone with the process."""
    return StorageError(f"logged in, but the tokens could not be kept in {storage!r}: see above")
