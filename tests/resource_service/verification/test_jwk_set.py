import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from dualtoken.resource_service.errors import KeySetRefused
from dualtoken.resource_service.verification.jwk_set import ED25519_P, LOW_ORDER_Y, parse_jwk_set
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


def _rsa(**numbers: int) -> dict[str, Any]:
    """Make an RSA key of these numbers."""
    encoded = {name: b64(number.to_bytes(number.bit_length() // 8 + 1)) for name, number in numbers.items()}
    return RFC_7517_RSA | encoded


def _edwards(y: int) -> dict[str, Any]:
    """Make the key of the point whose encoding is *y*, its highest bit the sign of x (RFC 8032 §5.1.2)."""
    return {"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": b64(y.to_bytes(32, "little"))}


SHARED = Key().jwk


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not a JWK Set"),
        (b"[]", "not a JWK Set"),
        (b"{}", "no list of keys"),
        (b'{"keys": {}}', "no list of keys"),
        (b'{"keys": [1]}', "not an object"),
        (b'{"keys": [], "keys": []}', "a member occurs twice"),
        (jwk_set(SHARED | {"k": b64(b"x" * 31)}), "shorter than 32 bytes"),
        (jwk_set(SHARED | {"k": ""}), "malformed"),
        (jwk_set({"kty": "oct", "kid": "k1"}), "malformed"),
        (jwk_set(SHARED | {"k": 1}), "malformed"),
        (jwk_set(Key(alg="ES256").jwk | {"x": "AAAA"}), "malformed"),
        (jwk_set(SHARED | {"kid": None}), "without a kid"),
        (jwk_set(SHARED | {"kid": ""}), "without a kid"),
        (jwk_set(SHARED | {"kid": "k" * 257}), "without a kid"),
        (jwk_set(SHARED | {"kty": 1}), "without a type"),
        (jwk_set(SHARED | {"crv": []}), "without a type"),
        (jwk_set(_short_rsa()), "shorter than 2048 bits"),
        (jwk_set(_rsa(n=2**8192 + 1)), "longer than 8192 bits"),
        (jwk_set(_rsa(n=2**2047)), "even modulus"),
        (jwk_set(_rsa(n=2**2048)), "even modulus"),
        *((jwk_set(_rsa(e=e)), "malformed|even or below 3") for e in (0, 1, 2, 65536)),
        (jwk_set(_rsa(e=2**64 + 1)), "exponent of over 64 bits"),
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


@pytest.mark.parametrize("alg", ["EdDSA", "ES256", "RS256"])
def test_null_is_as_left_out(alg: str) -> None:
    """Some libraries write what a key has not; none of it makes the key another, or the set a secret."""
    absent = dict.fromkeys(("use", "key_ops", "alg", "x5c", "d", "p", "k"))
    keys = parse_jwk_set(jwk_set(Key(alg=alg).jwk | absent))

    assert ([alg], (), False) == ([key.alg for key in keys.keys.values()], keys.passed_over, keys.secret)


def test_equal_sets_are_equal() -> None:
    """Reading an unchanged source again is no change."""
    key = Key(alg="ES256")

    assert parse_jwk_set(jwk_set(key.jwk)) == parse_jwk_set(jwk_set(key.jwk))


GOOD = Key("good", "ES256").jwk


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (SHARED | {"k": b64(b"x" * 31)}, "the key 'k1' is shorter than 32 bytes"),
        (_short_rsa(), "the key 'k1' is shorter than 2048 bits"),
        (Key(alg="ES256").jwk | {"x": "AAAA"}, "the key 'k1' is malformed"),
        (_edwards(1), "the key 'k1' is a point of low order, with which anybody can sign"),
        (SHARED | {"kid": None}, "a key without a kid"),
        (GOOD, "two keys share a kid: 'good'"),
        ({"kty": 1}, "a key without a type"),
        (SHARED | {"key_ops": 1}, "key_ops is not a list"),
        (None, "a key that is not an object"),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_an_unusable_key_is_passed_over(bad: Any, problem: str, place: int) -> None:
    """Good keys beside it verify, wherever it stands, and what is wrong with it is told (RFC 7517 §5)."""
    members = [GOOD]
    members.insert(place, bad)
    keys = parse_jwk_set(jwk_set(*members))

    assert (["good"], (problem,)) == (list(keys.keys), keys.passed_over)


def test_a_bad_key_beside_good_ones_is_no_change() -> None:
    """A verifier forgets what it verified with each new set: not because of a key that it never uses."""
    assert parse_jwk_set(jwk_set(GOOD)) == parse_jwk_set(jwk_set(GOOD, _edwards(1), RFC_7517_EC))


def test_the_points_of_low_order_are_those() -> None:
    """Each listed y is of a point that eight additions take to the neutral element, and every such y is listed."""
    p = ED25519_P
    d = -121665 * pow(121666, -1, p) % p
    of_order_8 = {y for y in LOW_ORDER_Y if (d * y**4 + 2 * y**2 - 1) % p == 0}

    # y = 1 is neutral, y = -1 has order 2, y = 0 order 4; twice a point of order 8 is one of order 4, so that y² = -x².
    # In the curve's equation that gives d·y⁴ + 2y² = 1, a quadratic in y² of which one root is a square.
    assert {0, 1, p - 1} == LOW_ORDER_Y - of_order_8
    assert 2 == len(of_order_8)
    assert {0} == {sum(of_order_8) % p}


@pytest.mark.parametrize("sign", [0, 2**255])
@pytest.mark.parametrize("y", [*sorted(LOW_ORDER_Y), ED25519_P, ED25519_P + 1])
def test_a_point_of_low_order_is_no_key(y: int, sign: int) -> None:
    """However it is written: with either sign of x, and with y not reduced."""
    with pytest.raises(KeySetRefused, match="low order"):
        parse_jwk_set(jwk_set(_edwards(y + sign)))
