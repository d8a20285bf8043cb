"""An async client that refreshes its tokens without the caller noticing.

The names below are imported at their first use: a command that only reads the token file needs no HTTP library, and
a program that keeps tokens in a file needs no key ring.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .errors import (
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
    from .middleware import BearerAuth, TokenProvider
    from .proof_keys import MemoryProofKey, ProofKey
    from .refresh.callbacks import Callback
    from .source import TokenSource
    from .stats import Stats
    from .storage import Storage, StoredSession
    from .storage.file import FileStorage
    from .storage.file_proof_key import FileProofKey
    from .storage.memory import MemoryStorage
    from .storage.system_keyring import KeyringProofKey, KeyringStorage
    from .tokens import Tokens, User
else:  # hidden from type checkers, which would take any name for one that is here

    def __getattr__(name: str) -> object:
        if name not in _WHERE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{_WHERE[name]}", __name__), name)
        globals()[name] = value
        return value


_WHERE = {
    "AuthRejected": "errors",
    "AuthUnavailable": "errors",
    "BearerAuth": "middleware",
    "Callback": "refresh.callbacks",
    "ClientError": "errors",
    "ConfigurationError": "errors",
    "FileProofKey": "storage.file_proof_key",
    "FileStorage": "storage.file",
    "InvalidCredentials": "errors",
    "KeyringProofKey": "storage.system_keyring",
    "KeyringStorage": "storage.system_keyring",
    "LoginRequired": "errors",
    "MemoryProofKey": "proof_keys",
    "MemoryStorage": "storage.memory",
    "NotReplayable": "errors",
    "ProofKey": "proof_keys",
    "RefreshRejected": "errors",
    "RefreshUnavailable": "errors",
    "Stats": "stats",
    "Storage": "storage",
    "StorageError": "errors",
    "StoredSession": "storage",
    "TokenProvider": "middleware",
    "TokenSource": "source",
    "Tokens": "tokens",
    "User": "tokens",
}

__all__ = [
    "AuthRejected",
    "AuthUnavailable",
    "BearerAuth",
    "Callback",
    "ClientError",
    "ConfigurationError",
    "FileProofKey",
    "FileStorage",
    "InvalidCredentials",
    "KeyringProofKey",
    "KeyringStorage",
    "LoginRequired",
    "MemoryProofKey",
    "MemoryStorage",
    "NotReplayable",
    "ProofKey",
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
