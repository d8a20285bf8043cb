"""Which session a command of the command line is about."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from ..errors import ConfigurationError, LoginRequired, StorageError
from ..storage import Storage, StoredSession
from ..storage.file import FileStorage
from .invocation import require_extra

if TYPE_CHECKING:
    from ..proof_keys import ProofKey
    from ..source import TokenSource
    from ..storage.system_keyring import KeyringStorage

_T = TypeVar("_T")

DEFAULT_AUTH_URL: Final = "http://localhost:8001"  # as AUTH_ISSUER, which a proof must name


@dataclass(frozen=True, slots=True)
class Account:
    """The options that all commands share.

    Attributes:
        auth_url: None: the auth service of the only session that is stored.
        name: tells several users of one auth service apart.
        token_file: None: the platform's default.
        timeout_s: for one exchange with the auth service.
        cacert: a PEM file of the authorities to trust; None: the system's.
    """

    auth_url: str | None
    name: str
    token_file: Path | None
    keyring: bool
    allow_insecure: bool = True
    timeout_s: float = 30.0
    cacert: Path | None = None

    def storage(self) -> "FileStorage | KeyringStorage":
        """Return where the session is kept.

        Raises:
            ConfigurationError: the key ring is wanted and its library is missing.
        """
        if not self.keyring:
            return FileStorage(self.token_file, account=self.name)
        require_extra("keyring", "keyring")
        from ..storage.system_keyring import KeyringStorage

        return KeyringStorage(account=self.name)

    @asynccontextmanager
    async def source(
        self, *, auth_url: str | None = None, bind: bool = False, proves: bool = True
    ) -> "AsyncIterator[TokenSource]":
        """Open a token source for the session.

        Args:
            auth_url: of the auth service, where it is known.
            bind: bind a session that is opened to a key where the tokens lie, which is made if need be.
            proves: whether the key is needed at all.

        Raises:
            ConfigurationError: several auth services have one, and none was named; no key can be had.
            LoginRequired: none has one, and none was named.
        """
        from ..source import TokenSource
        from .http import http_session

        storage = self.storage()
        url = auth_url or self.auth_url or _only(await self._auth_urls(storage))
        async with http_session(self.cacert) as http:
            tokens = TokenSource(
                url,
                storage=storage,
                session=http,
                refresh_timeout_s=self.timeout_s,
                allow_insecure=self.allow_insecure,
                dpop=(proves and _proof_key(storage, bind=bind)) or False,
            )
            async with tokens:
                yield tokens

    async def stored(self) -> tuple[str | None, StoredSession | None]:
        """Return the session as it is stored, and the address of its auth service; None for what there is not."""
        storage: Storage = self.storage()
        url = self.auth_url
        if url is None:
            if not (found := await self._auth_urls(storage)):
                return None, None
            url = _only(found)
        from ..wire.url_policy import auth_base

        base = str(auth_base(url, allow_insecure=self.allow_insecure))
        return base, await readable(storage.load(base))

    async def _auth_urls(self, storage: Storage) -> Sequence[str]:
        if not isinstance(storage, FileStorage):
            raise ConfigurationError("with --keyring, name the auth service: --auth URL, or DUALTOKEN_AUTH_URL")
        stored = await readable(storage.sessions())
        return [url for (url, name), session in stored.items() if name == self.name and session.tokens]


async def readable(reading: Awaitable[_T]) -> _T:
    """Await what reads a storage without a token source. Raises: StorageError: it cannot be read."""
    try:
        return await reading
    except OSError as error:
        raise StorageError(f"stored tokens cannot be read: {error.strerror or type(error).__name__}") from None


def _proof_key(storage: Storage, *, bind: bool) -> "ProofKey | None":
    """Return the key beside the tokens, if there is one, or one is wanted."""
    from ..storage.proof_key import existing_proof_key, proof_key_beside

    return proof_key_beside(storage) if bind else existing_proof_key(storage)


def _only(auth_urls: Sequence[str]) -> str:
    if not auth_urls:
        raise LoginRequired
    if len(auth_urls) > 1:
        raise ConfigurationError(f"several sessions: choose one with --auth URL: {', '.join(auth_urls)}")
    return auth_urls[0]


def not_stored(storage: Storage) -> StorageError:
    """Return the error for a login whose tokens would be gone with the process."""
    return StorageError(f"logged in, but the tokens could not be stored in {storage!r}: see above")
