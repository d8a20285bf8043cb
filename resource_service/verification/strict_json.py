"""JSON, parsed unambiguously."""

import json
from typing import Any

from pydantic_core import from_json


def read_object(data: bytes) -> dict[str, Any]:
    """Read one JSON object in UTF-8.

    Refuses what parsers disagree about: member names that occur twice, ``NaN`` and ``Infinity``, lone surrogates, a
    byte order mark, another encoding.

    Raises:
        ValueError: *data* is anything else than such an object, or nested too deeply.

    Source: RFC 8725 §2.4 and §3.11; RFC 7493 (I-JSON); RFC 7519 §4 lets a verifier refuse duplicate claims.
    """
    try:
        value = read_again(data)
    except ValueError:
        # Its text quotes the data.
        raise ValueError("not JSON") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one error type for everything that the bytes can be
    # Without escapes each text stands between two quotes, and there are no others. A member that occurs twice is read
    # once, so that its texts are missing from the value.
    if b"\\" in data:
        _check_names(data)
    elif data.count(b'"') != 2 * _texts_in(value):
        raise ValueError("a member occurs twice")
    return value


def read_again(data: bytes) -> Any:
    """Read what :func:`read_object` has read before.

    Raises:
        ValueError: it is no JSON at all.
    """
    return from_json(data, allow_inf_nan=False, cache_strings="keys")


def _texts_in(value: Any) -> int:
    """Count the texts of a value, the names of members included."""
    number = 0
    if type(value) is dict:
        number = len(value)
        value = value.values()
    for each in value:
        kind = type(each)
        if kind is str:
            number += 1
        elif kind is dict or kind is list:
            number += _texts_in(each)
    return number


def _check_names(data: bytes) -> None:
    """Refuse a member that occurs twice, by the standard library's parser: it hands over every member."""
    json.loads(data.decode("utf-8"), object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a member occurs twice")
