"""An async client that renews its tokens so quietly that nobody notices."""

from client.errors import (
    AuthRejected,
    AuthUnavailable,
    ClientError,
    ConfigurationError,
    InvalidCredentials,
    LoginRequired,
    NotReplayable,
    RefreshRejected,
    RefreshUnavailable,
    StorageError,
)
from client.middleware import BearerAuth, TokenProvider
from client.source import TokenSource
from client.stats import Stats
from client.storage import Storage, StoredSession
from client.storage.file import FileStorage
from client.storage.keychain import KeyringStorage
from client.storage.memory import MemoryStorage
from client.tokens import Tokens, User

__all__ = [
    "AuthRejected",
    "AuthUnavailable",
    "BearerAuth",
    "ClientError",
    "ConfigurationError",
    "FileStorage",
    "InvalidCredentials",
    "KeyringStorage",
    "LoginRequired",
    "MemoryStorage",
    "NotReplayable",
    "RefreshRejected",
    "RefreshUnavailable",
    "Stats",
    "Storage",
    "StorageError",
    "StoredSession",
    "TokenProvider",
    "TokenSource",
    "Tokens",
    "User",
]
