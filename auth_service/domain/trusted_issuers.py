"""Whose assertions open sessions (RFC 7523): the file that ``AUTH_TRUSTED_ISSUERS`` names. No I/O."""

import ipaddress
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from yarl import URL

from dualtoken_serving.origins import browser_origin

from .foreign_keys import KIND_OF
from .jws import read_object
from .names import MAX_NAME, Name
from .scopes import Scope

MAX_AGE_S: Final = 300
"""How old an assertion may be, unless its entry says otherwise."""
LONGEST_AGE_S: Final = 86_400
_OF_ADDED_USERS: Final = re.compile("[0-9a-f]{,32}")
"""How an id may begin that ``users add`` makes: an issuer that lies must not speak of such a user."""


def _as_tokens_write_it(text: str) -> str:
    # The comparison is exact: with a blank that came along it would never hold, and nobody would see why.
    if text != text.strip() or not text.isprintable():
        raise ValueError("has blanks around it, or characters that cannot be printed")
    return text


Exact = Annotated[str, Field(min_length=1), AfterValidator(_as_tokens_write_it)]


class TrustedIssuer(BaseModel):
    """One entry.

    Attributes:
        issuer: the ``iss`` of its assertions, to the letter.
        audience: each ``aud`` of an assertion must be one of these: as what this service is registered there.
        jwks_uri: where its keys are; None: where its metadata says (OpenID Connect Discovery §4).
        algorithms: those of ``KIND_OF`` that it may sign with.
        max_age_s: how long after ``iat`` an assertion counts, however late it expires.
        unknown_users: whether a user whose first assertion this is gets an account.
        prefix: what stands before its ``sub`` in the ``sub`` of its users here; None: the issuer and ``|``.
        username: the claim that names a user who is created; None: the name is the ``sub``.
        scope: that of a user who is created.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    issuer: str
    audience: tuple[Exact, ...] = Field(min_length=1)
    jwks_uri: str | None = None
    algorithms: tuple[str, ...] = Field(("RS256",), min_length=1)
    max_age_s: int = Field(MAX_AGE_S, ge=1, le=LONGEST_AGE_S)
    unknown_users: Literal["create", "refuse"] = "refuse"
    prefix: Name | None = Field(None, max_length=MAX_NAME // 2)
    username: Exact | None = None
    scope: Scope = ""

    @field_validator("audience", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value

    @field_validator("algorithms", mode="before")
    @classmethod
    def _are_known(cls, value: object) -> object:
        if not isinstance(value, list) or not all(isinstance(name, str) and name in KIND_OF for name in value):
            raise ValueError(f"must be a list of {', '.join(KIND_OF)}")
        return tuple(value)

    @field_validator("issuer")
    @classmethod
    def _is_one_issuer(cls, value: str) -> str:
        if re.search(r"[?{}]", value):
            raise ValueError("has a query or a placeholder: write the iss of its tokens (OpenID Connect Discovery §3)")
        return value

    @field_validator("issuer", "jwks_uri")
    @classmethod
    def _is_fetched_safely(cls, value: str | None) -> str | None:
        if value is not None:
            safe_url(value, beside_loopback=True)
        return value

    @model_validator(mode="after")
    def _maps_what_is_used(self) -> Self:
        if len(self.issuer) > MAX_NAME // 2 and self.prefix is None:
            raise ValueError("the issuer is too long to prefix a sub: set prefix")
        if self.prefix is not None and _OF_ADDED_USERS.fullmatch(self.prefix):
            raise ValueError("prefix: users that are added here have ids that begin so: end it with a sign such as |")
        if self.unknown_users == "refuse" and (self.username is not None or self.scope):
            raise ValueError('username and scope are of users that are created: set unknown_users to "create"')
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether it runs on this machine, as in a test."""
        return is_loopback(URL(self.issuer))

    def sub_of(self, sub: str) -> str:
        """Return the ``sub`` here of who has *sub* there: no other issuer's users can have it."""
        return self._prefix + sub

    @property
    def _prefix(self) -> str:
        return f"{self.issuer}|" if self.prefix is None else self.prefix


def read_trusted_issuers(data: bytes) -> Mapping[str, TrustedIssuer]:
    """Return the entries of the file, by their ``iss``.

    Raises:
        ValueError: it is no JSON object with a list ``issuers`` of such entries, or two of them could be confused. The
            message names the entry and the member.
    """
    try:
        members = read_object(data.removeprefix(BOM_UTF8))  # as some editors begin a file
    except ValueError:
        raise ValueError("not a JSON object, or one of its members appears twice") from None
    entries = members.get("issuers")
    if not isinstance(entries, list) or not entries or members.keys() != {"issuers"}:
        raise ValueError('must be {"issuers": […]}, with at least one entry')
    issuers = [_entry(number, entry) for number, entry in enumerate(entries, 1)]
    _require_apart(issuers)
    return {entry.issuer: entry for entry in issuers}


def _entry(number: int, entry: Any) -> TrustedIssuer:
    try:
        return TrustedIssuer.model_validate(entry)
    except ValidationError as exc:
        error = exc.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in error["loc"])
        problem = error["msg"].removeprefix("Value error, ")
        raise ValueError(f"issuer {number}: {where}: {problem}" if where else f"issuer {number}: {problem}") from None


def _require_apart(issuers: list[TrustedIssuer]) -> None:
    """Return if no two issuers can speak of one user: an issuer that lies must be no more than its own users."""
    for number, one in enumerate(issuers):
        for other in issuers[:number]:
            if one.issuer == other.issuer:
                raise ValueError(f"{one.issuer} appears twice")
            if one.sub_of("").startswith(other.sub_of("")) or other.sub_of("").startswith(one.sub_of("")):
                raise ValueError(f"the prefix of {one.issuer} begins with that of {other.issuer}")


def is_loopback(url: URL) -> bool:
    """Whether *url* is of this very machine."""
    host = url.raw_host or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _may_be_loopback(url: URL) -> bool:
    """Whether *url* may reach this machine. What is no usual spelling of a host may: resolvers know more of them."""
    try:
        browser_origin(str(url.origin()))
    except ValueError:
        return True
    host = (url.raw_host or "").removesuffix(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f".{host}".endswith(".localhost")  # RFC 6761 §6.3
    inner = getattr(address, "ipv4_mapped", None) or address
    return bool(inner.is_loopback or inner.is_unspecified)


def safe_url(text: str, *, beside_loopback: bool) -> URL:
    """Read the address of an issuer, of its metadata or its keys.

    Args:
        text: as it was written.
        beside_loopback: whether it may be on this machine, where http will do: else who publishes metadata could have
            this service call its own neighbours.

    Raises:
        ValueError: it is none that is fetched from.
    """
    try:
        url = URL(text)
    except ValueError:
        raise ValueError("not a URL") from None
    if re.search(r"\s", text) or not text.isprintable():
        raise ValueError("a URL with blanks, or with characters that cannot be printed")
    if url.scheme not in {"http", "https"} or not url.raw_host or url.user is not None or "#" in text:
        raise ValueError("not an https URL without credentials and fragment")
    if not beside_loopback and _may_be_loopback(url):
        raise ValueError("on loopback, where its issuer is not")
    if url.scheme == "http" and not is_loopback(url):
        raise ValueError("https is needed outside of loopback")
    return url
