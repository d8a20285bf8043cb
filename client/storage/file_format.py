"""The form in which sessions are written down: one JSON document for all accounts of a file."""

import json
from dataclasses import asdict, dataclass, field
from typing import Final

from ..strict_json import JsonObject, Malformed, parse
from ..tokens import BEARER_TOKEN, MAX_LIFE_S, OPAQUE_TOKEN, Tokens, User
from . import StoredSession

FORMAT: Final = "dualtoken-sessions"
VERSION: Final = 1
MAX_BYTES: Final = 16 * 1024 * 1024
MAX_AT_S: Final = 2.0**37  # the year 6325: a life later is a date, too


class ForeignDocument(Exception):
    """What stands there is not a document of ours: broken, or somebody else's. Never quotes it."""


class NewerDocument(Exception):
    """A later version wrote it: it must be left alone."""


@dataclass(slots=True)
class Document:
    """All sessions of a file, by account."""

    accounts: dict[str, StoredSession] = field(default_factory=dict)


def read(data: bytes) -> Document:
    """Read a document.

    Raises:
        ForeignDocument: it is none.
        NewerDocument: a later version wrote it.
    """
    try:
        document = parse(data)
        if document.text("format") != FORMAT:
            raise document.wrong("format")
        if (version := document.whole("version", least=1)) > VERSION:
            raise NewerDocument(f"version {version}")
        return Document(_sessions(document))
    except Malformed as error:
        raise ForeignDocument(str(error)) from None


def write(document: Document) -> bytes:
    """Write a document; :func:`read` gives it back."""
    accounts = {account: asdict(session) for account, session in document.accounts.items()}
    return json.dumps({"format": FORMAT, "version": VERSION, "accounts": accounts}, indent=1).encode() + b"\n"


def read_session(data: bytes) -> StoredSession:
    """Read one session.

    Raises:
        ForeignDocument: it is none.
    """
    try:
        return _session(parse(data))
    except Malformed:
        raise ForeignDocument("not a session") from None


def write_session(session: StoredSession) -> bytes:
    """Write one session; :func:`read_session` gives it back."""
    return json.dumps(asdict(session), separators=(",", ":")).encode()


def _sessions(document: JsonObject) -> dict[str, StoredSession]:
    if not document.has("accounts"):
        return {}
    accounts = document.nested("accounts")
    try:
        return {account: _session(accounts.nested(account)) for account in accounts}
    except Malformed:
        # The names of accounts are nobody else's business.
        raise document.wrong("accounts") from None


def _session(stored: JsonObject) -> StoredSession:
    return StoredSession(
        _tokens(stored.nested("tokens")) if stored.has("tokens") else None,
        stored.text("ended") if stored.has("ended") else None,
        stored.text("login_id", ""),
        stored.text("idempotency_key") if stored.has("idempotency_key") else None,
        stored.whole("refreshes", 0, least=0),
        stored.text("jkt") if stored.has("jkt") else None,
    )


def _tokens(stored: JsonObject) -> Tokens:
    return Tokens(
        stored.matching("access_token", BEARER_TOKEN),
        stored.matching("refresh_token", OPAQUE_TOKEN),
        stored.number("obtained_at", least=-MAX_AT_S, most=MAX_AT_S),
        _seconds(stored, "expires_in"),
        _seconds(stored, "refresh_expires_in"),
        stored.text("scope", ""),
        _user(stored.nested("user")) if stored.has("user") else None,
    )


def _seconds(stored: JsonObject, name: str) -> float | None:
    return stored.number(name, least=0, most=MAX_LIFE_S) if stored.has(name) else None


def _user(stored: JsonObject) -> User:
    return User(stored.text("username"), stored.text("email") if stored.has("email") else None)
