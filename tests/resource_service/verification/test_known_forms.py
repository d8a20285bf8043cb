"""Claims compared with the form of others are judged as if they had been read and checked."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualtoken.resource_service.errors import TokenRefused
from dualtoken.resource_service.verification.claims import TEXT_LIMIT, read_claims
from dualtoken.resource_service.verification.known_forms import MOST_FORMS, KnownForms
from dualtoken.resource_service.verification.strict_json import read_object
from tests.resource_service.issuer import claims

BASE = {"iss": "a", "sub": "b", "aud": "c", "iat": 1, "exp": 2}
TEXTS = st.sampled_from(["a", "b", "", "ü", '"', "\\", "\x00", "\x7f", "x" * TEXT_LIMIT, "x" * (TEXT_LIMIT + 1)])
NUMBERS = st.sampled_from([0, 1, 1.5, -1, -0.5, 10**15 - 1, 2**53 - 1, 2**53, True, False, None])
LISTS = st.lists(st.sampled_from(["pwd", "", 1]), max_size=2)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "iss": TEXTS, "sub": TEXTS, "aud": TEXTS | LISTS, "iat": NUMBERS, "exp": NUMBERS, "nbf": NUMBERS,
    "auth_time": NUMBERS, "sid": TEXTS | st.none(), "amr": LISTS, "scope": TEXTS, "cnf": TEXTS,
    "tenant": TEXTS | NUMBERS | LISTS | st.dictionaries(st.sampled_from(["n", '"']), TEXTS, max_size=1), 'a"b': TEXTS,
}  # fmt: skip
MEMBERS = st.sampled_from(sorted(VALUES)).flatmap(lambda name: st.tuples(st.just(name), VALUES[name]))


def text(members: list[tuple[str, Any]]) -> bytes:
    """Write members as JSON in UTF-8, twice where they are."""
    written = (
        ":".join(json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in pair) for pair in members
    )
    return f"{{{','.join(written)}}}".encode()


def read(payload: bytes) -> dict[str, Any] | None:
    """Read and check claims one by one; None if they are refused."""
    try:
        members = read_object(payload)
        read_claims(members)
    except (TokenRefused, ValueError):
        return None
    return members


@given(st.lists(st.lists(MEMBERS, max_size=3), min_size=1, max_size=12))
def test_a_known_form_lets_nothing_through_that_is_refused(changes: list[list[tuple[str, Any]]]) -> None:
    """Whatever forms were learnt before: what they say is what reading says, of the same issuer and audience."""
    forms = KnownForms()
    policy = read(text(list(BASE.items())))
    assert policy is not None
    forms.remember(policy)
    for change in changes:
        replaced = [(name, value) for name, value in BASE.items() if name not in dict(change)]
        for payload in (text(replaced + change), text(list(BASE.items()) + change)):
            members, known = read(payload), forms.read(payload)
            if known is not None:
                assert members is not None
                assert known == (members["exp"], members["iat"], members.get("nbf", 0), members.get("sid"))
                assert (BASE["iss"], BASE["aud"]) == (members["iss"], members["aud"])
            if members is not None and (members["iss"], members["aud"]) == (BASE["iss"], BASE["aud"]):
                forms.remember(members)


@given(st.binary(min_size=1, max_size=3), st.integers(0, 60), st.integers(0, 3))
def test_no_byte_is_left_out_of_account(inserted: bytes, place: int, cut: int) -> None:
    """A payload with bytes put in or taken out has a known form only where reading accepts it."""
    forms = KnownForms()
    forms.remember(dict(BASE))
    good = text(list(BASE.items()))
    changed = good[:place] + inserted + good[place + cut :]
    known = forms.read(changed)

    assert known is None or read(changed) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"sub": "someone else"}, {"iat": 5}, {"sid": None}, {"aud": ["one", "another"]}, {"amr": ["pwd"]},
        {"tenant": 7}, {"部门": 7}, {"trial": False}, {"nbf": 7}, {"auth_time": 7},
    ],
)  # fmt: skip
def test_claims_of_one_issuer_are_read_once(change: dict[str, Any]) -> None:
    """Another user's token of that form is only compared."""
    forms = KnownForms()
    mine, other = claims(**change), claims(**change) | {"sub": "别人", "jti": "another", "exp": 5}
    forms.remember(mine)
    known = forms.read(text(list(other.items())))

    assert (5, other["iat"], other.get("nbf", 0), other.get("sid")) == known


@pytest.mark.parametrize(
    "change", [{"aud": "another"}, {"iss": "another"}, {"amr": ["otp"]}, {"scope": "\n"}, {"exp": 2.5}, {"more": "a"}]
)
def test_what_the_form_does_not_cover_is_read(change: dict[str, Any]) -> None:
    """Another issuer, audience or method, an escape, a fraction, another claim."""
    forms = KnownForms()
    forms.remember(claims(amr=["pwd"]))

    assert None is forms.read(text(list((claims(amr=["pwd"]) | change).items())))


@pytest.mark.parametrize("change", [{"own": {"a": 1}}, {"own": ["a"]}, {"own": 1.5}, {"exp": 2.5}, {"iat": True}])
def test_what_differs_from_token_to_token_has_no_form(change: dict[str, Any]) -> None:
    """Each would need one of its own."""
    forms = KnownForms()
    forms.remember(claims(**change))

    assert None is forms.read(text(list(claims(**change).items())))


def test_a_form_is_written_down_once() -> None:
    """Claims that have it and were read all the same, such as a long text, take no place of another one."""
    forms = KnownForms()
    for _ in range(MOST_FORMS):
        forms.remember(claims(own="x" * (TEXT_LIMIT + 1)))
    forms.remember(claims(another=1))

    assert forms.read(text(list(claims(another=2).items())))


def test_few_forms_are_remembered() -> None:
    """The first ones stay: an issuer that gives each user other claims has none compiled for each token."""
    forms = KnownForms()
    each = [claims(**{f"own_{number}": 1}) for number in range(MOST_FORMS + 1)]
    for members in each:
        forms.remember(members)

    assert [True] * MOST_FORMS + [False] == [forms.read(text(list(one.items()))) is not None for one in each]
