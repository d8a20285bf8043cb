"""Reading what the auth service answers, without believing it."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from ..strict_json import JsonObject, Malformed, parse
from ..tokens import BEARER_TOKEN, MAX_LIFE_S, MAX_TOKEN, OPAQUE_TOKEN, Tokens, User

MAX_BYTES: Final = 64 * 1024  # of a body; a token answer has about one
MAX_SCOPE: Final = 4096
MAX_NAME: Final = 1024
MAX_RETRY_AFTER_S: Final = 86400.0

_CODE: Final = re.compile(r"[a-z_]{1,40}")
_NONCE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,512}")  # RFC 9449 §8.1, and a length
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """The one error shape (RFC 6749 §5.2, plus ``reason``). Descriptions are not read: they could quote a token."""

    error: str
    reason: str | None = None


def read_tokens(body: bytes, *, obtained_at: float) -> Tokens:
    """Read a token answer.

    Raises:
        ValueError: names the member that is missing or wrong, never its value.
    """
    answer = parse(body)
    if answer.text("token_type", longest=MAX_NAME).lower() != "bearer":  # RFC 6749 §5.1: it has no case
        raise answer.wrong("token_type")
    return Tokens(
        answer.matching("access_token", BEARER_TOKEN, longest=MAX_TOKEN),
        answer.matching("refresh_token", OPAQUE_TOKEN, longest=MAX_TOKEN),
        obtained_at,
        _seconds(answer, "expires_in"),
        _seconds(answer, "refresh_expires_in"),
        answer.text("scope", "", longest=MAX_SCOPE),
        _user(answer.nested("userInfo")) if answer.has("userInfo") else None,
    )


def read_error(body: bytes) -> ErrorAnswer | None:
    """Read an error answer; None if it is none."""
    try:
        answer = parse(body)
        reason = answer.matching("reason", _CODE) if answer.has("reason") else None
        return ErrorAnswer(answer.matching("error", _CODE), reason)
    except Malformed:
        return None


def _seconds(answer: JsonObject, name: str) -> float | None:
    return answer.number(name, least=0, most=MAX_LIFE_S) if answer.has(name) else None


def _user(info: JsonObject) -> User:
    email = info.text("email", longest=MAX_NAME) if info.has("email") else None
    return User(info.text("username", longest=MAX_NAME), email)


def read_retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Read ``Retry-After`` (RFC 9110 §10.2.3): seconds, or a date. None if there is none that can be read."""
    if value is None:
        return None
    try:
        seconds = float(value) if value.strip().isdecimal() else _until(value, now or datetime.now(UTC))
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if math.isfinite(seconds) else None


def read_request_id(value: str | None) -> str | None:
    """Read ``X-Request-Id``; None if there is none that can be shown."""
    return value if value is not None and _REQUEST_ID.fullmatch(value) else None


def read_nonce(value: str | None) -> str | None:
    """Read ``DPoP-Nonce`` (RFC 9449 §8.1); None if there is none that can be sent back."""
    return value if value is not None and _NONCE.fullmatch(value) else None


def _until(date: str, now: datetime) -> float:
    moment = parsedate_to_datetime(date)
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
