from typing import Any

import pytest

from dualtoken.auth_service.domain.own_claims import MAX_BYTES, claims_of, joined, read_object, text_of_claims


def nested(depth: int) -> Any:
    """Return lists within lists."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def test_claims_are_kept_as_compact_json() -> None:
    """What a token carries is what was set, in UTF-8."""
    text = text_of_claims({"tenant": "北京", "roles": ["a", "b"], "plan": {"seats": 3, "trial": None}})

    assert '{"tenant":"北京","roles":["a","b"],"plan":{"seats":3,"trial":null}}' == text
    assert {"tenant": "北京", "roles": ["a", "b"], "plan": {"seats": 3, "trial": None}} == claims_of(text)


def test_no_claims_are_no_text() -> None:
    """An object without members takes nothing in a row, and nothing in a token."""
    assert None is text_of_claims({})
    assert {} == claims_of(None)


@pytest.mark.parametrize(
    "name",
    [
        *("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "client_id", "scope", "username", "email"),
        *("auth_time", "amr", "acr", "cnf", "act", "may_act", "azp", "nonce", "active", "token_type"),
        *("SUB", "Exp", "\u017fub", "to\u212aen_type"),  # as Go folds case: a long s is an s, the sign of Kelvin a k
        "",
    ],
)
def test_names_that_mean_something_to_verifiers_are_refused(name: str) -> None:
    """Nobody becomes another user, lives longer or is bound to a key by a claim of one's own."""
    with pytest.raises(ValueError, match=r"reserved|empty"):
        text_of_claims({"tenant": "a", name: "x"})


@pytest.mark.parametrize(
    ("claims", "problem"),
    [
        ({"a": "x" * (MAX_BYTES - 7)}, "2049 bytes"),
        ({"a": "é" * 1021}, "2050 bytes"),
        ({"a": nested(8)}, "nested"),
        ({"a": float("nan")}, "NaN"),
        ({"a": [float("-inf")]}, "Infinity"),
        ({"a": 2**53}, r"2\^53"),
        ({"a": {"b": [-(2**53)]}}, r"2\^53"),
        ({"a": "\ud800"}, "Unicode"),
        ({"\udfff": 1}, "Unicode"),
    ],
)
def test_what_parsers_disagree_about_is_refused(claims: dict[str, Any], problem: str) -> None:
    """More than 2 KiB, deep nesting, numbers and texts that not every JSON parser reads alike."""
    with pytest.raises(ValueError, match=problem):
        text_of_claims(claims)


def test_all_that_is_allowed_fits() -> None:
    """2 KiB, nested seven deep below the object, with the largest integer that survives every parser."""
    text = text_of_claims({"a": nested(7), "b": 2**53 - 1, "c": -0.5, "d": True})

    assert text is not None
    assert MAX_BYTES == len(text_of_claims({"a": "x" * (MAX_BYTES - 8)}) or "")


@pytest.mark.parametrize("text", ["", "[]", "1", "nonsense", '{"a": 1', '{"a": 1, "a": 2}', '{"a": {"b": 1, "b": 2}}'])
def test_what_is_no_object_is_refused(text: str) -> None:
    """Text that is no JSON object, or says a member twice."""
    with pytest.raises(ValueError, match=r"not a JSON object|twice"):
        read_object(text)


def test_bottomless_text_is_refused() -> None:
    """Nesting beyond what the parser takes is a mistake of the text."""
    with pytest.raises(ValueError, match="nested"):
        read_object('{"a":' + "[" * 100_000)


def test_objects_are_joined() -> None:
    """The members of each stand in one object; what is absent adds nothing."""
    assert b'{"a":1,"b":2,"c":3}' == joined(b'{"a":1}', '{"b":2}', None, '{"c":3}')
    assert b'{"a":1}' == joined(b'{"a":1}', None)
