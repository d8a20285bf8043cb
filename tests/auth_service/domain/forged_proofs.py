"""Proofs that must not be taken: each with a name, and the place where it goes wrong."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import jwt

from tests.auth_service.domain.dpop import HTU, ProofMaker, segment

NOW = 1_800_000_000_000
MAKER = ProofMaker()
EDWARDS = ProofMaker("EdDSA")
OTHER = ProofMaker()
_P = 2**255 - 19
_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7


def _with_header(**changes: Any) -> str:
    return MAKER.sign(MAKER.header(**changes), MAKER.payload(NOW))


def _with_payload(**changes: Any) -> str:
    return MAKER.proof(NOW, **changes)


def _headers() -> Iterator[tuple[str, str]]:
    for typ in (None, "", "JWT", "at+jwt", "dpop", "dpop+jwt ", "application/dpop+jwt", ["dpop+jwt"], 1):
        yield f"typ {typ!r}", _with_header(typ=typ)
    named = (
        None,
        "",
        "none",
        "None",
        "HS256",
        "RS256",
        "PS256",
        "ES384",
        "ES512",
        "es256",
        "EdDSA",
        "Ed25519",
        "ed25519",
    )
    for alg in (*named, ["ES256"], 7):
        yield f"alg {alg!r}", _with_header(alg=alg)
    for name in ("crit", "b64", "jku", "x5u", "x5c", "zip", "enc"):
        yield f"header {name}", _with_header(**{name: ["exp"] if name == "crit" else "x"})
    public = MAKER.public
    for name, jwk in {
        "no jwk": None,
        "jwk a text": "key",
        "jwk a list": [public],
        "jwk empty": {},
        "jwk private": {**public, "d": MAKER.jwk["d"]},
        "jwk with k": {**public, "k": "AAAA"},
        "jwk without kty": {name: value for name, value in public.items() if name != "kty"},
        "jwk without crv": {name: value for name, value in public.items() if name != "crv"},
        "jwk without y": {name: value for name, value in public.items() if name != "y"},
        "jwk of P-384": {**public, "crv": "P-384"},
        "jwk of secp256k1": {**public, "crv": "secp256k1"},
        "jwk of an Edwards curve": EDWARDS.public,
        "jwk symmetric": {"kty": "oct", "k": "A" * 43},
        "jwk RSA": {"kty": "RSA", "n": "A" * 43, "e": "AQAB"},
        "jwk x too short": {**public, "x": public["x"][:-1]},
        "jwk x padded": {**public, "x": public["x"] + "="},
        "jwk x a number": {**public, "x": 5},
        "jwk off the curve": {**public, "y": public["x"]},
        "jwk of somebody else": OTHER.public,
    }.items():
        yield name, _with_header(jwk=jwk)


def _payloads() -> Iterator[tuple[str, str]]:
    for name in ("jti", "htm", "htu", "iat"):
        yield f"no {name}", _with_payload(**{name: None})
    for name, value in (
        ("jti", ""), ("jti", 7), ("jti", "x" * 257), ("htm", ["POST"]), ("htu", 7), ("htu", [HTU]), ("nonce", 7),
        ("iat", "now"), ("iat", True), ("iat", -1), ("iat", 2**53), ("iat", [NOW]),
    ):  # fmt: skip
        yield f"{name} {str(value)[:20]!r}", _with_payload(**{name: value})
    yield "a member twice", MAKER.sign(MAKER.header(), _twice(MAKER.payload(NOW), "htm", "GET"))
    yield "a header member twice", MAKER.sign(_twice(MAKER.header(), "alg", "none"), MAKER.payload(NOW))
    yield "NaN", MAKER.sign(MAKER.header(), b'{"jti":"a","htm":"POST","htu":"https://auth.example/refresh","iat":NaN}')
    yield "payload a list", MAKER.sign(MAKER.header(), [MAKER.payload(NOW)])
    yield "payload nested too deep", MAKER.sign(MAKER.header(), b"[" * 5000 + b"]" * 5000)
    yield "payload no JSON", MAKER.sign(MAKER.header(), b"{")
    yield "payload no UTF-8", MAKER.sign(MAKER.header(), b'{"jti":"\xff"}')


def _twice(value: dict[str, Any], name: str, other: str) -> bytes:
    return json.dumps(value)[:-1].encode() + f',"{name}":"{other}"}}'.encode()


def _forms() -> Iterator[tuple[str, str]]:
    good = MAKER.proof(NOW)
    header, payload, signature = good.split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    yield "empty", ""
    yield "no signature", f"{header}.{payload}."
    yield "two segments", f"{header}.{payload}"
    yield "four segments", f"{good}.{signature}"
    yield "five segments", f"{good}.{signature}.{signature}"
    yield "padded", f"{header}.{payload}.{signature}="
    yield "a blank in front", f" {good}"
    yield "a blank behind", f"{good} "
    yield "two in one header", f"{good}, {good}"
    yield "scheme in front", f"DPoP {good}"
    yield "standard base64", good.replace(signature, signature[:-2] + "+/")
    yield "another spelling of the last character", good[:-1] + ("B" if good[-1] == "A" else chr(ord(good[-1]) ^ 1))
    yield (
        "signature of another",
        MAKER.sign(MAKER.header(), MAKER.payload(NOW + 5000)).rpartition(".")[0] + "." + signature,
    )
    yield "signature by another key", OTHER.sign(MAKER.header(), MAKER.payload(NOW))
    yield "signature cut", f"{header}.{payload}.{segment(raw[:-1])}"
    yield "signature of zeros", f"{header}.{payload}.{segment(bytes(64))}"
    yield "signature in DER", f"{header}.{payload}.{segment(b'0E' + raw)}"
    yield "signed by a shared key of the public one", _confused()
    yield "more than 8 KiB", _with_payload(filler="x" * 8192)
    for name, point in (
        ("0", 0),
        ("1", 1),
        ("p - 1", _P - 1),
        ("order 8", _ORDER_8),
        ("order 8 negated", _P - _ORDER_8),
    ):
        x = segment(point.to_bytes(32, "little"))
        forged = EDWARDS.header(jwk={"kty": "OKP", "crv": "Ed25519", "x": x})
        yield (
            f"low order {name}",
            f"{segment(forged)}.{segment(EDWARDS.payload(NOW))}.{segment(bytes([1, *bytes(63)]))}",
        )


def _confused() -> str:
    secret = json.dumps(MAKER.public).encode().ljust(32, b" ")
    header = MAKER.header(alg="HS256")
    signing = f"{segment(header)}.{segment(MAKER.payload(NOW))}"
    return f"{signing}.{segment(jwt.algorithms.HMACAlgorithm('sha256').sign(signing.encode(), secret))}"


FORGED_PROOFS = [*_headers(), *_payloads(), *_forms()]

OTHER_ADDRESSES = [
    "http://auth.example/refresh",
    "https://auth.example/login",
    "https://auth.example/refresh/",
    "https://auth.example//refresh",
    "https://auth.example/REFRESH",
    "https://auth.example/",
    "https://auth.example:8443/refresh",
    "https://auth.example.evil.example/refresh",
    "https://evil.example/refresh",
    "https://auth.example@evil.example/refresh",
    "https://user@auth.example/refresh",
    "https://auth.example./refresh",
    "//auth.example/refresh",
    "/refresh",
    "refresh",
    "",
    "auth.example/refresh",
    "ftp://auth.example/refresh",
    "https:///refresh",
    "https://auth.example\\refresh",
    "https://[::1/refresh",
    "https://auth.example/refresh%2F",
    "https://auth.example/x/%2e%2e%2frefresh",
    " https://auth.example/refresh",
    "https://auth.example/refresh ",
    "\0https://auth.example/refresh",
    "https://auth.ex\tample/refresh",
    "https://auth.example\n/refresh",
    "https://\uff41uth.example/refresh",
    "https://auth.example\u3002/refresh",
    "https://\ud800/refresh",
    "https://@auth.example/refresh",
    "https://:@auth.example/refresh",
    "https:/auth.example/refresh",
    "https://xn--auth-.example/refresh",
    "https://xn--a.example/refresh",
]
SAME_ADDRESSES = [
    "https://auth.example/refresh",
    "HTTPS://AUTH.EXAMPLE/refresh",
    "https://auth.example:443/refresh",
    "https://auth.example/refresh?x=1",
    "https://auth.example/refresh#x",
    "https://auth.example/./refresh",
    "https://auth.example/x/../refresh",
    "https://auth.example/%72efresh",
]
