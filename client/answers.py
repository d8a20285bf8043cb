"""Reading what the auth service answers, without believing it."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from client.tokens import Tokens, User

MAX_BYTES: Final = 64 * 1024  # of a body; a token answer has about one
MAX_TOKEN: Final = 16 * 1024
MAX_LIFE_S: Final = 100 * 365 * 86400.0  # beyond that dates cannot be shown
MAX_RETRY_AFTER_S: Final = 86400.0

# RFC 6750 §2.1, b64token: what may stand in a header. Anything else could smuggle a second header in.
_BearerToken = Annotated[str, Field(pattern=r"^[A-Za-z0-9\-._~+/]+=*$", max_length=MAX_TOKEN)]
_OpaqueToken = Annotated[str, Field(pattern=r"^[\x21-\x7e]+$", max_length=MAX_TOKEN)]  # RFC 6749 §A.17, less the space
_Seconds = Annotated[float, Field(ge=0, le=MAX_LIFE_S)]


class _Answer(BaseModel):
    # The input is full of tokens: it must not be quoted in an error, nor kept in the parser's cache of strings.
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", hide_input_in_errors=True, cache_strings="keys")


class _UserInfo(_Answer):
    username: Annotated[str, Field(max_length=1024)]
    email: Annotated[str, Field(max_length=1024)] | None = None


class _TokenAnswer(_Answer):
    token_type: Annotated[str, Field(pattern=r"^(?i:bearer)$")]
    access_token: _BearerToken
    refresh_token: _OpaqueToken
    expires_in: _Seconds | None = None
    refresh_expires_in: _Seconds | None = None
    scope: Annotated[str, Field(max_length=4096)] | None = None
    user_info: _UserInfo | None = Field(default=None, alias="userInfo")


class ErrorAnswer(_Answer):
    """The one error shape (RFC 6749 §5.2, plus ``reason``). Descriptions are not read: they could quote a token."""

    error: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
    reason: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")] | None = None


def read_tokens(body: bytes, *, obtained_at: float) -> Tokens:
    """Read a token answer.

    Raises:
        ValueError: names the members that are missing or wrong, never their values.
    """
    try:
        answer = _TokenAnswer.model_validate_json(body)
    except ValidationError as error:
        raise ValueError(_complaint(error)) from None
    user = answer.user_info
    return Tokens(
        answer.access_token,
        answer.refresh_token,
        obtained_at,
        answer.expires_in,
        answer.refresh_expires_in,
        answer.scope or "",
        None if user is None else User(user.username, user.email),
    )


def read_error(body: bytes) -> ErrorAnswer | None:
    """Read an error answer; None if it is none."""
    try:
        return ErrorAnswer.model_validate_json(body)
    except ValidationError:
        return None


def read_retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Read ``Retry-After`` (RFC 9110 §10.2.3): seconds, or a date. None if there is none that can be read."""
    if value is None:
        return None
    try:
        seconds = float(value) if value.strip().isdecimal() else _until(value, now or datetime.now(UTC))
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if math.isfinite(seconds) else None


def _until(date: str, now: datetime) -> float:
    moment = parsedate_to_datetime(date)
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()


def _complaint(error: ValidationError) -> str:
    wrong = sorted({".".join(map(str, problem["loc"])) or "the body" for problem in error.errors(include_input=False)})
    return "missing or wrong: " + ", ".join(wrong)
