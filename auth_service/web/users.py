"""``/users`` and ``/users/{sub}``: accounts, for the team's own backend."""

import re
from typing import Any, Self
from urllib.parse import parse_qsl, unquote

from aiohttp import hdrs, web
from pydantic import TypeAdapter, ValidationError, model_validator

from ..domain.accounts import NOTHING, etag_of, shown
from ..domain.models import Credentials
from ..domain.names import MAX_NAME, Email, NewName, NewPassword, Sub
from ..domain.scopes import Scope
from ..errors import InvalidRequest
from ..use_cases.users import Precondition
from .addresses import client_address
from .app_keys import USERS
from .backend import for_backend
from .bodies import Body, read_body

routes = web.RouteTableDef()
_MAX_LIMIT = 1000
_USER = "/users/{sub:[^/]+}"
_SUB = TypeAdapter(Sub)
_NO_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


class Account(Body):
    """The body: what is left out of a PUT, and what is null, is as of a user of whom nothing is known."""

    username: NewName | None = None
    email: Email | None = None
    scope: Scope | None = None
    claims: dict[str, Any] | None = None
    disabled: bool | None = None
    password: NewPassword | None = None
    password_hash: str | None = None

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if {"password", "password_hash"} <= self.model_fields_set:
            raise ValueError("give password or password_hash, not both")
        return self

    def members(self) -> dict[str, Any]:
        """Return the members that were given, null as what it stands for."""
        defaults: dict[str, Any] = {**NOTHING, "claims": {}}
        given = self.model_dump(include=self.model_fields_set)
        return {name: defaults.get(name) if value is None else value for name, value in given.items()}


@routes.get("/users")
@for_backend
async def list_users(request: web.Request) -> web.Response:
    """Answer a page of users; ``after`` of the answer is that of the next page, or null."""
    query = _query(request)
    limit, after = _limit(query.get("limit", "100")), query.get("after", "")
    page = await request.app[USERS].page(_sub(after) if after else "", limit, client_address(request))
    last = page[-1].user.id if len(page) == limit else None
    return web.json_response({"users": [shown(account) for account in page], "after": last}, headers=_NO_STORE)


@routes.get(_USER)
@for_backend
async def read_user(request: web.Request) -> web.Response:
    """Answer a user."""
    return _answer(await request.app[USERS].read(_sub_of(request), client_address(request)))


@routes.put(_USER)
@for_backend
async def put_user(request: web.Request) -> web.Response:
    """Make or replace a user: 201 or 200."""
    return await _write(request, replaces=True)


@routes.patch(_USER)
@for_backend
async def patch_user(request: web.Request) -> web.Response:
    """Change the members of a user that are given."""
    return await _write(request, replaces=False)


@routes.delete(_USER)
@for_backend
async def erase_user(request: web.Request) -> web.Response:
    """Erase a user, whose sessions end."""
    await request.app[USERS].erase(_sub_of(request), _precondition(request), client_address(request))
    return web.Response(status=204)


async def _write(request: web.Request, *, replaces: bool) -> web.Response:
    sub, precondition = _sub_of(request), _precondition(request)
    body = await read_body(request, Account)
    edited = await request.app[USERS].write(
        sub, body.members(), precondition, client_address(request), replaces=replaces
    )
    return _answer(edited.after, status=200 if edited.before else 201)


_NO_STORE = {hdrs.CACHE_CONTROL: "no-store"}


def _answer(account: Credentials, status: int = 200) -> web.Response:
    response = web.json_response(shown(account), status=status, headers=_NO_STORE)
    response.etag = etag_of(account)
    return response


def _sub_of(request: web.Request) -> str:
    # From the path as it was sent: whatever is not UTF-8, or no escape, would be taken for other characters.
    segment = request.rel_url.raw_path.rpartition("/")[2]
    try:
        return _sub(unquote(_escaped(segment), errors="strict"))
    except UnicodeDecodeError:
        raise InvalidRequest("sub: not UTF-8, percent-encoded.") from None


def _escaped(text: str) -> str:
    """Return *text*, if each % in it begins an escape (RFC 3986 §2.1): without, another user may be meant."""
    if _NO_ESCAPE.search(text):
        raise InvalidRequest("A % in the address must be written as %25.")
    return text


def _sub(text: str) -> str:
    if text in {".", ".."}:
        raise InvalidRequest("sub: a path ends in neither . nor .. (RFC 3986 §5.2.4).")
    try:
        return _SUB.validate_python(text)
    except ValidationError:
        raise InvalidRequest(f"sub: 1 to {MAX_NAME} characters, without control characters.") from None


def _query(request: web.Request) -> dict[str, str]:
    # As it was sent, like the path: another user's page would follow a sub that was read wrongly.
    try:
        pairs = parse_qsl(_escaped(request.rel_url.raw_query_string), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise InvalidRequest("query: not UTF-8, percent-encoded.") from None
    query = dict(pairs)
    if len(query) < len(pairs):
        raise InvalidRequest("query: a parameter comes twice.")
    return query


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:10]) <= _MAX_LIMIT:
        raise InvalidRequest(f"limit must be 1 to {_MAX_LIMIT}.")
    return int(text)


def _precondition(request: web.Request) -> Precondition:
    """Return what ``If-Match`` and ``If-None-Match`` say; of the latter, only ``*`` is meant for changes."""
    match, none_match = (_listed(request, name) for name in (hdrs.IF_MATCH, hdrs.IF_NONE_MATCH))
    if none_match not in (None, ["*"]):
        raise InvalidRequest("If-None-Match must be *, for a user who does not exist.")
    if match == ["*"] and none_match is None:
        return Precondition(exists=True)
    # A weak tag never matches (RFC 9110 §13.1.1), nor does what is no tag, such as * beside another condition.
    etags = None if match is None else frozenset(tag[1:-1] for tag in match if tag[:1] == tag[-1:] == '"')
    return Precondition(etags, exists=None if none_match is None else False)


def _listed(request: web.Request, name: str) -> list[str] | None:
    """Return the elements of a header that is a list, however many lines it has; None where it has none."""
    lines = request.headers.getall(name, None)
    return None if lines is None else [element.strip() for element in ",".join(lines).split(",")]
