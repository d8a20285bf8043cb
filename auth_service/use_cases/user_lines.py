"""Accounts as lines of JSON (NDJSON), as they are moved in and out. No I/O but the file that is handed in."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, BinaryIO

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import to_json

from ..domain.accounts import Change, changed, members_of
from ..domain.models import Credentials, User
from ..domain.names import Email, NewName, Sub
from ..domain.own_claims import claims_of, read_object, text_of_claims
from ..domain.scopes import Scope
from ..login_guard.known_hashes import require_usable

MAX_LINE_BYTES = 16 * 1024  # as of a body of the API
_BOM = b"\xef\xbb\xbf"


def _reachable(sub: str) -> str:
    if sub in {".", ".."}:
        raise ValueError("a path ends in neither . nor .. (RFC 3986 §5.2.4)")
    return sub


class _Line(BaseModel):
    """The members of ``PUT /users/{sub}``, and no others: a misspelt one would go unnoticed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sub: Annotated[Sub, AfterValidator(_reachable)]
    username: NewName | None = None
    email: Email | None = None
    scope: Scope | None = None
    claims: dict[str, Any] | None = None
    disabled: bool | None = None
    password_hash: str | None = None


def account_of(line: bytes, now: int, require_room: Callable[[User], None]) -> Credentials:
    """Return the account that a line describes.

    Args:
        line: one JSON object in UTF-8.
        now: milliseconds since the epoch.
        require_room: raises ValueError where an access token of the user would be too long.

    Raises:
        ValueError: it describes none; the text names the member, and quotes neither claims nor a hash.
    """
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"longer than {MAX_LINE_BYTES} bytes")
    try:
        members = _Line.model_validate(read_object(line.decode()))
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except ValidationError as exc:
        error = exc.errors(include_input=False, include_url=False, include_context=False)[0]
        problem = error["msg"].removeprefix("Value error, ")
        raise ValueError(f"{_printable(str(error['loc'][0]))}: {problem}") from None
    account = changed(None, members.sub, _change(members), now)
    with _naming("claims"):
        require_room(account.user)
    return account


def _change(members: _Line) -> Change:
    given = members.model_dump(exclude={"sub", "password_hash"}, exclude_none=True)
    if "claims" in given:
        with _naming("claims"):
            given["claims"] = text_of_claims(given["claims"])
    if members.password_hash is not None:
        with _naming("password_hash"):
            require_usable(members.password_hash)
    return Change(given, replaces=True, sets_password=True, password_hash=members.password_hash)


@contextmanager
def _naming(member: str) -> Iterator[None]:
    """A ValueError of the block gets the name of the member."""
    try:
        yield
    except ValueError as exc:
        raise ValueError(f"{member}: {exc}") from None


def _printable(name: str) -> str:
    return name if name.isascii() and name.isprintable() else ascii(name)


def line_of(account: Credentials, *, with_hash: bool) -> bytes:
    """Return the line that ``account_of`` would read; without the hash, its user has no password."""
    members = {"sub": account.user.id, **members_of(account), "claims": claims_of(account.user.claims)}
    if with_hash and account.password_hash is not None:
        members["password_hash"] = account.password_hash
    return to_json(members) + b"\n"


def lines_of(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield the number of each line, from 1, and the line; one that is too long comes cut, but too long still.

    Empty lines are passed over; no more than one line is held.
    """
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 2):
        number += 1
        part = line
        while part and not part.endswith(b"\n"):
            part = file.readline(io.DEFAULT_BUFFER_SIZE)
        line = line.removeprefix(_BOM) if number == 1 else line
        if line := line.strip(b" \t\r\n"):
            yield number, line
