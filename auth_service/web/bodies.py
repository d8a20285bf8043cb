"""Request bodies: JSON or a form, checked against a model."""

import asyncio
from collections import Counter
from typing import TypeVar
from urllib.parse import parse_qsl

from aiohttp import hdrs, web
from pydantic import BaseModel, ConfigDict, ValidationError

from auth_service.errors import InvalidRequest, PayloadTooLarge, RequestTimeout, UnsupportedMediaType

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
        InvalidRequest: malformed or broken off, or a member missing, repeated (RFC 6749 §3.2) or of the wrong type.
    """
    content_type = request.content_type
    if content_type == _JSON:
        return _validated_json(await _read(request), model)
    if content_type == _FORM:
        return _validated_form(await _read(request), model)
    raise UnsupportedMediaType(content_type)


async def read_optional_body(request: web.Request, model: type[Model]) -> Model:
    """Return the body as *model*, whose members all have defaults; no body at all is one without members.

    Raises:
        UnsupportedMediaType, InvalidRequest: as for :func:`read_body`.
    """
    return await read_body(request, model) if request.can_read_body else model()


async def _read(request: web.Request) -> bytes:
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


def _validated_json(body: bytes, model: type[Model]) -> Model:
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as exc:
        raise InvalidRequest(_description(exc)) from None


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
            raise InvalidRequest(f"{name} stands more than once.")
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
    return f"{where}: {error['msg']}." if where else f"{error['msg']}."
