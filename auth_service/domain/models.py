"""The values that the rules and the store exchange. Times are milliseconds since the epoch, UTC."""

import hashlib
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from .scopes import narrowed

SESSION_ID_BYTES = 16
_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{22}")


def new_session_id() -> str:
    """Return 22 characters of base64url: 128 random bits (RFC 9700 §4.14.2 asks that tokens cannot be guessed)."""
    return encode_session_id(secrets.token_bytes(SESSION_ID_BYTES))


def encode_session_id(raw: bytes) -> str:
    """Return 16 bytes as the 22 characters of base64url that stand in the database and in the claim ``sid``."""
    return urlsafe_b64encode(raw).decode().rstrip("=")


def decode_session_id(session_id: str) -> bytes:
    """Return the 16 bytes of a session id that this service made."""
    return urlsafe_b64decode(session_id + "==")


def is_session_id(text: str) -> bool:
    """Whether *text* has the form of a session id: the database is asked for no other, and takes no NUL."""
    return _SESSION_ID.fullmatch(text) is not None


class User(NamedTuple):
    """An account as its claims need it.

    ``id`` is the claim ``sub``; ``scope`` is space-delimited (RFC 6749 §3.3); ``claims`` is the compact JSON text of
    the user's own claims (``own_claims.py``), None without any.
    """

    id: str
    username: str
    email: str
    scope: str
    disabled_at: int | None = None
    claims: str | None = None


class Credentials(NamedTuple):
    """A user with the hash of the password.

    Attributes:
        user: whose.
        password_hash: None: no password opens the account.
        moved_in: the digest of the hash that a backend or an import gave, if a log-in has replaced it since by a hash
            of the same password.
    """

    user: User
    password_hash: str | None
    moved_in: str | None = None

    def came_with(self, password_hash: str | None) -> bool:
        """Whether *password_hash* is of the password that the account has, as far as anybody can tell."""
        return password_hash is not None and self.has_hash_of(digest_of_hash(password_hash))

    @property
    def hash_digest(self) -> str | None:
        """The digest of the hash, None without one."""
        return None if self.password_hash is None else digest_of_hash(self.password_hash)

    def has_hash_of(self, digest: str | None) -> bool:
        """Whether *digest* is of a hash of the password that the account has, or None where it has none."""
        return digest == self.hash_digest or (digest is not None and digest == self.moved_in)


def digest_of_hash(password_hash: str) -> str:
    """Return what a hash is known by once it is replaced; of a password it tells nothing without the salt."""
    return hashlib.sha256(password_hash.encode()).hexdigest()


class Device(NamedTuple):
    """What the user is shown of the other side in a list of sessions."""

    user_agent: str
    ip: str


class RevocationReason(StrEnum):
    """Why a session ended before its time; travels in the revocation feed."""

    LOGOUT = "logout"
    REUSE = "reuse"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of an event, not a secret
    USER_DISABLED = "user_disabled"
    USER_ERASED = "user_erased"
    OPERATOR = "operator"
    SESSION_LIMIT = "session_limit"


class Session(NamedTuple):
    """One log-in: one row, however often it rotates.

    ``generation`` is that of the only refresh token that may rotate next; ``idempotency_digest`` is the SHA-256, in
    hexadecimal, of the Idempotency-Key of the rotation that made it, or None; ``expires_at`` is absolute. ``claims`` is
    the compact JSON text of what each access token says of the log-in, ``auth_time`` and ``amr``; None where it is not
    known. ``limit`` is the scope beyond which the user's does not count in this session; None where all of it does.
    ``jkt`` is the thumbprint of the key that the session is bound to (RFC 9449 §5), None without one.
    """

    id: str
    user: User
    generation: int
    rotated_at: int
    idempotency_digest: str | None
    created_at: int
    expires_at: int
    revoked_at: int | None = None
    revoked_reason: str | None = None
    client: Device = Device("", "")
    claims: str | None = None
    limit: str | None = None
    jkt: str | None = None

    @property
    def scope(self) -> str:
        """What its access tokens may be used for: of its limit, what the user has now."""
        return narrowed(self.user.scope, self.limit)


def always() -> bool:
    """Return True."""
    return True


class Presented(NamedTuple):
    """A refresh token whose MAC was good, with the digest of the request's Idempotency-Key, if it carried one.

    ``is_awaited`` says whether whoever asked is still there to be answered. ``scope`` is what the access token of this
    answer alone is narrowed to; None: it is not. ``jkt`` is the thumbprint of the key whose good proof came with the
    request, None without one.
    """

    session_id: str
    generation: int
    idempotency_digest: str | None = None
    is_awaited: Callable[[], bool] = always
    scope: str | None = None
    jkt: str | None = None


class Revocation(NamedTuple):
    """One entry of the revocation feed."""

    session_id: str
    revoked_at: int
    reason: str
