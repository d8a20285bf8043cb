"""The form in which sessions are written down."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualtoken.client import StoredSession, Tokens, User
from dualtoken.client.storage.file_format import (
    Document,
    ForeignDocument,
    NewerDocument,
    read,
    read_session,
    write,
    write_session,
)

SESSION = StoredSession(Tokens("access", "refresh", 7.0), None, "login", "key", 4)


def test_no_token_of_a_file_outlives_its_reading() -> None:
    """The parser keeps none for the next file that has the same."""
    document = Document(accounts={"zs": SESSION})
    first, second = read(write(document)), read(write(document))

    assert document == first == second
    assert _tokens(first.accounts["zs"]).isdisjoint(_tokens(second.accounts["zs"]))


def test_no_token_of_a_key_ring_outlives_its_reading() -> None:
    """Nor of an entry of a key ring."""
    first, second = read_session(write_session(SESSION)), read_session(write_session(SESSION))

    assert SESSION == first == second
    assert _tokens(first).isdisjoint(_tokens(second))


def _tokens(session: StoredSession) -> set[int]:
    assert session.tokens is not None
    return {id(session.tokens.access_token), id(session.tokens.refresh_token)}


def document(**changes: object) -> dict[str, Any]:
    """Return a document with one account whose session is changed; the name of a tokens' member changes those."""
    tokens = {"access_token": "secret", "refresh_token": "secret", "obtained_at": 7}
    tokens |= {name: value for name, value in changes.items() if name in Tokens.__dataclass_fields__}
    session = {"tokens": tokens} | {name: value for name, value in changes.items() if name not in tokens}
    return {"format": "dualtoken-sessions", "version": 1, "accounts": {"secret account": session}}


def test_what_may_be_missing_has_its_default() -> None:
    """An early version, or a person, may have written less."""
    assert {"secret account": StoredSession(Tokens("secret", "secret", 7.0))} == _read(document()).accounts
    assert {} == _read({"format": "dualtoken-sessions", "version": 1}).accounts


def test_members_of_a_later_minor_version_are_ignored() -> None:
    """Only a new number of the version makes a document unreadable."""
    later = document(more={"deep": [1]}) | {"also": None}

    assert {"secret account"} == set(_read(later).accounts)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("tokens", []),
        ("tokens", "secret"),
        ("tokens", {}),
        ("access_token", 7),
        ("refresh_token", None),
        ("access_token", "half of a pair: \ud800"),
        ("access_token", ""),
        ("access_token", "secret\r\nX: y"),
        ("access_token", "sécret"),
        ("refresh_token", "secret secret"),
        ("obtained_at", "7"),
        ("obtained_at", True),
        ("obtained_at", float("nan")),
        ("obtained_at", float("inf")),
        ("obtained_at", 10**400),
        ("obtained_at", 1e15),
        ("obtained_at", -1e15),
        ("expires_in", "secret"),
        ("expires_in", -1),
        ("refresh_expires_in", 1e12),
        ("refresh_expires_in", [1]),
        ("scope", ["secret"]),
        ("user", "secret"),
        ("user", {"email": "secret"}),
        ("user", {"username": "zs", "email": 1}),
        ("ended", 1),
        ("login_id", 1),
        ("idempotency_key", {}),
        ("refreshes", 1.5),
        ("refreshes", "1"),
        ("refreshes", -1),
        ("refreshes", True),
    ],
)
def test_a_wrong_member_makes_the_document_foreign(member: str, value: object) -> None:
    """Types and ranges are exact, and the error quotes neither a value nor the name of an account."""
    with pytest.raises(ForeignDocument) as error:
        _read(document(**{member: value}))

    assert "secret" not in f"{error.value!r} {error.value.__cause__!r}"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 200_000,
        b'{"format": "dualtoken-sessions", "version": ' + b"9" * 10_000 + b"}",
        b'{"format": "dualtoken-sessions"}',
        b'{"format": "dualtoken-sessions", "version": 0}',
        b'{"format": "dualtoken-sessions", "version": true}',
        b'{"format": "other", "version": 1}',
        b'{"format": "dualtoken-sessions", "version": 1, "accounts": []}',
        b'{"format": "dualtoken-sessions", "version": 1, "accounts": {"zs": null}}',
    ],
)
def test_what_is_no_document_is_foreign(data: bytes) -> None:
    """Other JSON, half a document, bytes that are no text, deep nesting, numbers without end."""
    with pytest.raises(ForeignDocument):
        read(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_foreign(data: bytes) -> None:
    """Nothing else comes out."""
    with pytest.raises(ForeignDocument):
        read(data)


def test_a_newer_document_is_left_alone() -> None:
    """Even where its accounts look like nothing that is known here."""
    with pytest.raises(NewerDocument, match="version 2"):
        _read({"format": "dualtoken-sessions", "version": 2, "accounts": 7})


TEXTS = st.text(st.characters(exclude_categories=("Cs",)))
TOKENS = st.text("abcXYZ019-._~+/", min_size=1)
TIMES = st.floats(0, 1e9)
SESSIONS = st.builds(
    StoredSession,
    st.none()
    | st.builds(
        Tokens, TOKENS, TOKENS, TIMES, st.none() | TIMES, st.none() | TIMES, TEXTS, st.none() | st.builds(User, TEXTS)
    ),
    st.none() | TEXTS,
    TEXTS,
    st.none() | TEXTS,
    st.integers(0, 2**53),
)


@given(st.dictionaries(TEXTS, SESSIONS, max_size=3))
def test_whatever_is_written_is_read(accounts: dict[str, StoredSession]) -> None:
    """In a file, and in an entry of a key ring."""
    assert accounts == read(write(Document(accounts))).accounts
    assert list(accounts.values()) == [read_session(write_session(session)) for session in accounts.values()]


def _read(content: object) -> Document:
    return read(json.dumps(content).encode())
