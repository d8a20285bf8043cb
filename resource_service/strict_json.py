"""JSON read so that nobody can read it otherwise."""

import json
from typing import Any, NoReturn


def read_object(data: bytes) -> dict[str, Any]:
    """Read one JSON object in UTF-8.

    Refuses what parsers disagree about: member names that occur twice, ``NaN`` and ``Infinity``, a byte order mark,
    another encoding (``json.loads`` guesses UTF-16 and UTF-32 from bytes).

    Raises:
        ValueError: *data* is anything else than such an object, or nested too deeply.

    Source: RFC 8725 §2.4 and §3.11; RFC 7493 (I-JSON); RFC 7519 §4 lets a verifier refuse duplicate claims.
    """
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one error type for everything that the bytes can be
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice")
    return members


def _refuse(_: str) -> NoReturn:
    raise ValueError("not a JSON number")
