"""The form in which sessions are written down: one JSON document for all accounts of a file."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

from client.storage import StoredSession

FORMAT: Final = "dualtoken-sessions"
VERSION: Final = 1
MAX_BYTES: Final = 16 * 1024 * 1024


class ForeignDocument(Exception):
    """What stands there is not a document of ours: broken, or somebody else's. Never quotes it."""


class NewerDocument(Exception):
    """A later version wrote it: it must be left alone."""


# The input is full of tokens: it must not be quoted in an error, nor kept in the parser's cache of strings.
_DISCREET: Final = ConfigDict(hide_input_in_errors=True, cache_strings="keys")


class Document(BaseModel):
    """All sessions of a file, by account."""

    model_config = _DISCREET

    format: Literal["dualtoken-sessions"] = FORMAT
    version: Annotated[int, Field(ge=1)] = VERSION
    accounts: dict[str, StoredSession] = Field(default_factory=dict)


class _Session(RootModel[StoredSession]):
    model_config = _DISCREET


class _Head(BaseModel):
    model_config = _DISCREET

    format: Literal["dualtoken-sessions"]
    version: Annotated[int, Field(ge=1)]


def read(data: bytes) -> Document:
    """Read a document.

    Raises:
        ForeignDocument: it is none.
        NewerDocument: a later version wrote it.
    """
    try:
        head = _Head.model_validate_json(data)
        if head.version > VERSION:
            raise NewerDocument(f"version {head.version}")
        return Document.model_validate_json(data)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        raise ForeignDocument(f"{problem['type']} at {'.'.join(map(str, problem['loc'][:1])) or 'the start'}") from None


def write(document: Document) -> bytes:
    """Write a document; :func:`read` gives it back."""
    return document.model_dump_json(indent=1).encode() + b"\n"


def read_session(data: bytes) -> StoredSession:
    """Read one session.

    Raises:
        ForeignDocument: it is none.
    """
    try:
        return _Session.model_validate_json(data).root
    except ValidationError:
        raise ForeignDocument("not a session") from None


def write_session(session: StoredSession) -> bytes:
    """Write one session; :func:`read_session` gives it back."""
    return _Session(session).model_dump_json().encode()
