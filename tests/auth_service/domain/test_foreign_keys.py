"""Which keys of an issuer that is not ours verify."""

import json
from typing import Any

import pytest
from jwt import PyJWK
from jwt.utils import base64url_encode

from dualtoken.auth_service.domain.foreign_keys import KIND_OF, ForeignKeys, read_foreign_keys
from dualtoken.auth_service.domain.jwk import Jwk, new_jwk, public_jwk


def read(*members: Any, algorithms: tuple[str, ...] = tuple(KIND_OF)) -> ForeignKeys:
    """Read a set of these keys."""
    return read_foreign_keys(json.dumps({"keys": members}).encode(), algorithms)


def published(algorithm: str, **changes: Any) -> Jwk:
    """Return a public key; members of None are left out."""
    key = {**(public_jwk(new_jwk(algorithm)) or {}), **changes}
    return {name: value for name, value in key.items() if value is not None}


def modulus(value: int) -> str:
    """Return a number as a key has it."""
    return base64url_encode(value.to_bytes(-(-value.bit_length() // 8), "big")).decode()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_key_is_found_by_its_kid_and_algorithm(algorithm: str) -> None:
    """By no other of both."""
    key = published(algorithm)
    keys = read(published(algorithm), key)
    found = {alg for alg in KIND_OF if keys.find(key["kid"], alg)}

    assert {algorithm} == found
    assert isinstance(keys.find(key["kid"], algorithm), PyJWK)
    assert None is keys.find("another", algorithm)


def test_a_key_without_alg_is_for_all_of_its_kind() -> None:
    """Entra's are so. RFC 9864 has another name for EdDSA."""
    keys = read(published("RS256", alg=None, kid="r"), published("EdDSA", alg="Ed25519", kid="o"))

    assert {"RS256", "PS256"} == {alg for alg in KIND_OF if keys.find("r", alg)}
    assert keys.find("o", "EdDSA")


def test_null_is_as_left_out() -> None:
    """Some libraries write what a key has not."""
    absent = dict.fromkeys(("use", "key_ops", "alg", "x5c", "d", "kid"))
    keys = read({**published("ES256"), **absent})

    assert () == keys.passed_over
    assert keys.find(None, "ES256")


def test_a_token_without_kid_needs_a_key_alone() -> None:
    """OpenID Connect Core §10.1."""
    one, other = published("ES256", kid=None), published("ES256", kid=None)

    assert read(one, published("RS256")).find(None, "ES256")
    assert None is read(one, other).find(None, "ES256")


def test_algorithms_that_the_issuer_may_not_use_have_no_keys() -> None:
    """What the entry does not list."""
    assert ((), ()) == read(published("ES256"), algorithms=("RS256",))


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "kid": "k", "alg": "HS256", "k": "c2VjcmV0" * 8},
        {"kty": "oct", "kid": "k", "alg": "RS256", "k": "c2VjcmV0" * 8},
        published("RS256", use="enc"),
        published("RS256", alg="RSA-OAEP"),
        published("ES256", key_ops=["sign"]),
        published("ES256", key_ops="verify"),
        published("ES256", crv="P-521"),
        published("ES256", alg=[]),
        {"kty": None},
        {},
    ],
)
def test_keys_for_other_things_are_ignored(key: dict[str, Any]) -> None:
    """Above all shared ones: they would let whoever reads the set sign."""
    assert ((), ()) == read(key)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (7, "is not an object"),
        ({**new_jwk("ES256"), "key_ops": ["verify"]}, "is private"),
        ({**new_jwk("RS256"), "key_ops": ["verify"]}, "is private"),
        (published("ES256", kid=7), "has a kid"),
        (published("ES256", kid="k" * 257), "has a kid"),
        (published("ES256", x=7), "is malformed"),
        (published("ES256", x=None), "is malformed"),
        (published("ES256", x="A" * 43), "is malformed"),
        (published("ES256", x="é"), "is malformed"),
        (published("EdDSA", x="A" * 43), "low order"),
        (published("EdDSA", x="AQ" + "A" * 41), "low order"),
        (published("RS256", n=modulus(2**2046 + 1)), "modulus"),
        (published("RS256", n=modulus(2**2047)), "modulus"),
        (published("RS256", n=modulus(2**8192 + 1)), "larger than any"),
        (published("RS256", n="AQAB"), "is malformed"),
        (published("RS256", e="Ag"), "is malformed"),
        (published("RS256", e="AQ"), "is malformed"),
        (published("RS256", e="_" * 12), "larger than any"),
    ],
)
def test_bad_keys_are_passed_over(key: Any, expected: str) -> None:
    """Each with its reason, which quotes no key; what stands beside it is used."""
    good = published("RS256")
    keys = read(key, good)

    assert 1 == len(keys.passed_over)
    assert expected in keys.passed_over[0]
    assert keys.find(good["kid"], "RS256")


def test_of_two_keys_of_one_kid_the_first_counts() -> None:
    """The second is passed over."""
    first, second = published("ES256", kid="k"), published("ES256", kid="k")
    keys = read(first, second, published("RS256", kid="k"))
    found = keys.find("k", "ES256")

    assert found is not None
    assert first["x"] == found._jwk_data["x"]
    assert ("key 2 has the kid of another",) == keys.passed_over
    assert keys.find("k", "RS256")
