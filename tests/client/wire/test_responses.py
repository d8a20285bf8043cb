"""Reading what the auth service answers."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualtoken.client import Tokens, User
from dualtoken.client.wire.responses import (
    MAX_RETRY_AFTER_S,
    read_error,
    read_request_id,
    read_retry_after,
    read_tokens,
)

GOOD = {
    "token_type": "Bearer",
    "access_token": "access.secret",
    "expires_in": 3600,
    "refresh_token": "refresh-secret",
    "refresh_expires_in": 604800,
    "scope": "read",
    "userInfo": {"username": "zs", "email": "zs@example.org"},
    "unknown": [1],
}


def read(**changes: object) -> Tokens:
    """Read the good answer with some members changed; None removes one."""
    body = {name: value for name, value in (GOOD | changes).items() if value is not None}
    return read_tokens(json.dumps(body).encode(), obtained_at=7.0)


def test_a_token_answer_is_read() -> None:
    """All members of the contract; unknown ones are ignored."""
    expected = Tokens("access.secret", "refresh-secret", 7.0, 3600, 604800, "read", User("zs", "zs@example.org"))
    assert expected == read()


def test_what_may_be_missing_may_be_missing() -> None:
    """RFC 6749 §5.1: expires_in and scope are optional; a refresh does not repeat the user."""
    expected = Tokens("access.secret", "refresh-secret", 7.0)
    assert expected == read(expires_in=None, refresh_expires_in=None, scope=None, userInfo=None)


def test_the_token_type_has_no_case() -> None:
    """RFC 6749 §5.1."""
    assert "access.secret" == read(token_type="bEARER").access_token


def test_no_token_outlives_its_answer() -> None:
    """The parser keeps none for the next answer that has the same."""
    first, second = read(), read()

    assert first == second
    assert first.access_token is not second.access_token
    assert first.refresh_token is not second.refresh_token


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("token_type", "mac"),
        ("token_type", None),
        ("access_token", None),
        ("access_token", ""),
        ("access_token", 7),
        ("access_token", ["x"]),
        ("access_token", "a b"),
        ("access_token", "a\r\nX-Evil: 1"),
        ("access_token", "a" * 20_000),
        ("refresh_token", None),
        ("refresh_token", ""),
        ("refresh_token", "two words"),
        ("refresh_token", {}),
        ("expires_in", "3600"),
        ("expires_in", -1),
        ("expires_in", True),
        ("expires_in", 1e300),
        ("expires_in", float("nan")),
        ("expires_in", float("inf")),
        ("scope", 3),
        ("userInfo", "zs"),
        ("userInfo", {"email": "zs@example.org"}),
    ],
)
def test_a_wrong_member_is_named_and_never_quoted(member: str, value: object) -> None:
    """Wrong types and missing members are refused by name, without a value of any member."""
    with pytest.raises(ValueError, match=member) as error:
        read(**{member: value})

    assert "secret" not in f"{error.value!r} {error.value.__cause__!r} {error.value.__context__}"


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"x"', b"{", b"\xff\xfe", b"<html>", b"[" * 60_000])
def test_what_is_not_an_object_is_refused(body: bytes) -> None:
    """HTML, half a document, other JSON, bytes that are no text, deep nesting."""
    with pytest.raises(ValueError, match="missing or wrong: the body"):
        read_tokens(body, obtained_at=0)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Nothing but ValueError comes out."""
    with pytest.raises(ValueError, match="missing or wrong"):
        read_tokens(body, obtained_at=0)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error": "invalid_grant", "reason": "reused"}', ("invalid_grant", "reused")),
        (b'{"error": "invalid_grant"}', ("invalid_grant", None)),
        (b'{"error": "INVALID<script>"}', None),
        (b'{"error": 3}', None),
        (b'{"err": "x"}', None),
        (b"oops", None),
    ],
)
def test_an_error_answer_is_read(body: bytes, expected: tuple[str, str | None] | None) -> None:
    """Only codes in the form of RFC 6749 §5.2 are believed: they end up in messages."""
    error = read_error(body)

    assert expected == (None if error is None else (error.error, error.reason))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("3", 3.0),
        (" 120 ", 120.0),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("9" * 400, None),
        ("99999999", MAX_RETRY_AFTER_S),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, expected: float | None) -> None:
    """RFC 9110 §10.2.3; what cannot be read is as good as none, what is too long is cut."""
    assert expected == read_retry_after(value, now=datetime(2026, 11, 23, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("4bf92f3577b34da6a3ce929d0e0e4736", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("", None),
        ("a b", None),
        ("\x1b[31m", None),
        ("a" * 65, None),
    ],
)
def test_a_request_id_is_shown_if_it_can_be(value: str | None, expected: str | None) -> None:
    """It ends up on a terminal."""
    assert expected == read_request_id(value)
