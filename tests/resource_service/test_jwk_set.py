import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from resource_service.errors import KeySetRefused
from resource_service.jwk_set import parse_jwk_set
from tests.resource_service.issuer import Key, b64
from tests.resource_service.jwk_sets import jwk_set

# RFC 7517 Appendix A.1: an encryption key and a signature key.
RFC_7517_RSA = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjB"
    "ZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8"
    "KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_"
    "xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
RFC_7517_EC = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    "use": "enc",
    "kid": "1",
}


def test_the_example_of_the_rfc_is_read() -> None:
    """Of RFC 7517 Appendix A.1 the signature key is used, the encryption key left alone."""
    keys = parse_jwk_set(jwk_set(RFC_7517_EC, RFC_7517_RSA))

    assert [("2011-04-29", "RS256")] == [(key.kid, key.alg) for key in keys.keys.values()]


@pytest.mark.parametrize("alg", ["HS256", "EdDSA", "ES256", "RS256"])
def test_the_algorithm_follows_from_the_key(alg: str) -> None:
    """A key without ``alg`` is for the one algorithm of its kind."""
    jwk = Key(alg=alg).jwk
    del jwk["alg"]

    assert alg == parse_jwk_set(jwk_set(jwk)).keys["k1"].alg


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([Key().jwk], True),
        ([Key(alg="EdDSA").private_jwk], True),
        ([Key(alg="RS256").jwk, Key("k2", "ES256").jwk], False),
    ],
    ids=["shared", "private", "public"],
)
def test_a_set_knows_whether_it_is_secret(members: list[dict[str, Any]], expected: bool) -> None:
    """Whoever can read a shared or a private key can sign."""
    assert expected is parse_jwk_set(jwk_set(*members)).secret


@pytest.mark.parametrize("alg", ["EdDSA", "ES256", "RS256"])
def test_a_private_key_verifies_with_its_public_half(alg: str) -> None:
    """The issuer's own file works for a verifier too."""
    key = Key(alg=alg)
    parsed = parse_jwk_set(jwk_set(key.private_jwk)).keys["k1"]
    signing_input, _, signature = key.token().rpartition(".")

    assert parsed.verifies(signing_input.encode(), base64.urlsafe_b64decode(signature + "=="))


def _short_rsa() -> dict[str, Any]:
    private = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - too short on purpose
    return RSAAlgorithm.to_jwk(private.public_key(), as_dict=True) | {"kid": "k1"}


SHARED = Key().jwk


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not a JWK Set"),
        (b"[]", "not a JWK Set"),
        (b"{}", "no list of keys"),
        (b'{"keys": {}}', "no list of keys"),
        (b'{"keys": [1]}', "no list of keys"),
        (b'{"keys": [], "keys": []}', "a member occurs twice"),
        (jwk_set(SHARED | {"k": b64(b"x" * 31)}), "shorter than 32 bytes"),
        (jwk_set(SHARED | {"k": ""}), "malformed"),
        (jwk_set({"kty": "oct", "kid": "k1"}), "malformed"),
        (jwk_set(SHARED | {"k": 1}), "malformed"),
        (jwk_set(Key(alg="ES256").jwk | {"x": "AAAA"}), "malformed"),
        (jwk_set(SHARED | {"kid": None}), "without a kid"),
        (jwk_set(SHARED | {"kid": ""}), "without a kid"),
        (jwk_set(SHARED | {"kid": "k" * 257}), "without a kid"),
        (jwk_set(SHARED, SHARED), "share a kid"),
        (jwk_set(SHARED | {"kty": 1}), "without a type"),
        (jwk_set(SHARED | {"crv": []}), "without a type"),
        (jwk_set(_short_rsa()), "shorter than 2048 bits"),
        (jwk_set(SHARED | {"key_ops": "verify"}), "key_ops is not a list"),
    ],
)
def test_an_unusable_set_is_refused(data: bytes, problem: str) -> None:
    """What is wrong is named, and the key itself is not."""
    with pytest.raises(KeySetRefused, match=problem) as refused:
        parse_jwk_set(data)

    assert SHARED["k"] not in str(refused.value)


@pytest.mark.parametrize(
    "members",
    [
        [],
        [SHARED | {"alg": "HS512"}],
        [SHARED | {"alg": "none"}],
        [SHARED | {"use": "enc"}],
        [SHARED | {"key_ops": ["sign"]}],
        [SHARED | {"key_ops": []}],
        [Key(alg="ES256").jwk | {"crv": "P-384"}],
    ],
)
def test_a_set_without_a_key_for_us_is_empty(members: list[dict[str, Any]]) -> None:
    """Whoever publishes it has no key that verifies access tokens."""
    assert {} == parse_jwk_set(jwk_set(*members)).keys


def test_equal_sets_are_equal() -> None:
    """Reading an unchanged source again is no change."""
    key = Key(alg="ES256")

    assert parse_jwk_set(jwk_set(key.jwk)) == parse_jwk_set(jwk_set(key.jwk))
