"""Request bodies: JSON or a form, checked against a model."""

import asyncio
import json
from collections import Counter
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from aiohttp import hdrs, web
from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import InvalidRequest, PayloadTooLarge, RequestTimeout, UnsupportedMediaType

MAX_BODY_BYTES = 16 * 1024
READ_S = 10.0
_MAX_FIELDS = 64
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"


class Body(BaseModel):
    """What a body may hold."""

    # Otherwise the parser would keep short strings for the next body that has them: passwords and refresh tokens.
    model_config = ConfigDict(cache_strings="keys")


Model = TypeVar("Model", bound=Body)


async def read_body(request: web.Request, model: type[Model]) -> Model:
    """Return the body as *model*; unknown members are ignored.

    Raises:
        UnsupportedMediaType: neither JSON nor a form, or compressed.
        RequestTimeout: it did not come within ``READ_S`` seconds.
        InvalidRequest: malformed or broken off; a member is missing, of a wrong type, or stands twice (RFC 6749 §3.2).
    """
    if (media_type := _media_type(request)) not in {_JSON, _FORM}:
        raise UnsupportedMediaType(media_type)
    return validated(request, await read_bytes(request), model)


async def read_optional_body(request: web.Request, model: type[Model]) -> Model:
    """Return the body as *model*, whose members all have defaults; an empty one, however framed, has no members.

    Proxies turn a request without a body into one of length 0 or of no chunks, with or without its type.

    Raises:
        UnsupportedMediaType, RequestTimeout, InvalidRequest: as for :func:`read_body`.
    """
    body = await read_bytes(request) if request.can_read_body else b""
    return validated(request, body, model) if body else model()


async def read_bytes(request: web.Request) -> bytes:
    """Return the body as it came, bounded in time and size.

    Raises:
        UnsupportedMediaType, RequestTimeout, InvalidRequest: as for :func:`read_body`.
    """
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise UnsupportedMediaType("compressed")
    try:
        if request.content.is_eof():  # it came with the head, mostly: there is nothing to wait for
            return _bounded(request.content.read_nowait())
        async with asyncio.timeout(READ_S):
            return await request.read()
    except TimeoutError:
        raise RequestTimeout from None
    except (web.RequestPayloadError, ConnectionError) as exc:
        # Broken framing, or a client that hung up. The text of the exception would quote the body.
        raise InvalidRequest(f"The body cannot be read: {type(exc).__name__}.") from None


def _bounded(body: bytes) -> bytes:
    if len(body) > MAX_BODY_BYTES:
        raise PayloadTooLarge
    return body


def validated(request: web.Request, body: bytes, model: type[Model]) -> Model:
    """Return *body*, which came with *request*, as *model*.

    Raises:
        UnsupportedMediaType, InvalidRequest: as for :func:`read_body`.
    """
    media_type = _media_type(request)
    if media_type == _JSON:
        return _validated_json(body, model)
    if media_type == _FORM:
        return _validated_form(body, model)
    raise UnsupportedMediaType(media_type)


def _media_type(request: web.Request) -> str:
    # As nearly everybody sends it, there is nothing to parse.
    return _JSON if request.headers.get(hdrs.CONTENT_TYPE) == _JSON else request.content_type


def _validated_json(body: bytes, model: type[Model]) -> Model:
    try:
        valid = model.model_validate_json(body, strict=True)
        _UNIQUE.decode(body.decode())
    except ValidationError as exc:
        raise InvalidRequest(_description(exc)) from None
    except (ValueError, RecursionError):
        raise InvalidRequest("The body is not valid JSON, or one of its members appears more than once.") from None
    return valid


def _unique(members: list[tuple[str, Any]]) -> None:
    if len(members) != len({name for name, _ in members}):
        raise ValueError("a member appears more than once")


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity, which pydantic takes, are not JSON (RFC 8259 §6)


# What reads the body before this service, a proxy, may take the first of two members; pydantic takes the last.
_UNIQUE = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)


def _validated_form(body: bytes, model: type[Model]) -> Model:
    try:
        fields = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError:
        raise InvalidRequest("The form is malformed.") from None
    for name, count in Counter(name for name, _ in fields).items():
        if count > 1 and name in model.model_fields:
            raise InvalidRequest(f"{name} appears more than once.")
    try:
        # Not strict: a form has only text, and `everywhere=true` is text.
        return model.model_validate(dict(fields), strict=False)
    except ValidationError as exc:
        raise InvalidRequest(_description(exc)) from None


def _description(exc: ValidationError) -> str:
    """Name the first problem; never the value, which may be a password or a token."""
    error = exc.errors(include_input=False, include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "json_invalid":
        return "The body is not valid JSON."
    problem = error["msg"].removeprefix("Value error, ")
    return f"{where}: {problem}." if where else f"{problem}."
