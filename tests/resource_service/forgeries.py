"""Forged access tokens, each with what its forger hopes for.

All but a few are made by somebody without the key. Those signed with the real key show what must be refused even then:
a signature says who made a token, not that it is an access token for this service, now.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

from dualtoken.resource_service.verification.jws import TOKEN_LIMIT
from tests.resource_service.forged_claims import (
    bound_tokens,
    duplicates,
    missing_claims,
    mistyped_claims,
    wrong_claims,
    wrong_times,
)
from tests.resource_service.forging import CURVE, EDWARDS, KEYS, PUBLIC, SHARED, Forgery
from tests.resource_service.issuer import Key, b64, claims


def forgeries() -> Iterator[Forgery]:
    """Every token that no verifier may accept."""
    for family in (
        _without_signature,
        _confused_algorithms,
        _wrong_keys,
        _instructive_headers,
        _malformed_headers,
        _wrong_types,
        missing_claims,
        mistyped_claims,
        bound_tokens,
        wrong_claims,
        wrong_times,
        duplicates,
        _mangled_signatures,
        _mangled_encodings,
        _mangled_structures,
        _oversized,
    ):
        for name, token in family():
            yield f"{family.__name__.strip('_').replace('_', ' ')}: {name}", token


def _unsigned(header: dict[str, Any], signature: str = "") -> str:
    return f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims()).encode())}.{signature}"


def _without_signature() -> Iterator[Forgery]:
    spellings = (
        "none",
        "None",
        "NONE",
        "nOnE",
        "noNe",
        "none ",
        " none",
        "none\x00",
        "non\u0435",
        "",
        "null",
        "no",
        "plain",
    )
    for alg in spellings:
        yield repr(alg), _unsigned(SHARED.header(alg=alg))
        yield f"{alg!r} with a signature", _unsigned(SHARED.header(alg=alg), b64(b"x" * 32))
    yield "no alg", _unsigned(SHARED.header(alg=None))
    yield "empty signature of a real key", _unsigned(SHARED.header())


def _confused_algorithms() -> Iterator[Forgery]:
    for key in (PUBLIC, CURVE, EDWARDS):
        secrets = {
            "PEM": key.public_pem,
            "PEM without its end": key.public_pem.rstrip(),
            "JWK": json.dumps(key.jwk).encode(),
        }
        for kind, secret in secrets.items():
            for alg, digest in (("HS256", "sha256"), ("HS512", "sha512")):
                yield f"{key.alg} {kind} as secret of {alg}", _hmac(secret, key.header(alg=alg), digest)
        yield f"{key.alg} said, {key.kid} meant, shared key used", _hmac(SHARED.private, key.header(), "sha256")
    for alg in (
        "HS384",
        "HS512",
        "RS256",
        "ES256",
        "EdDSA",
        "PS256",
        "ES384",
        "ES512",
        "hs256",
        "HS256 ",
        "A256KW",
        "dir",
    ):
        yield f"{alg} said, HS256 done", SHARED.token(header={"alg": alg})
    for alg in ("PS256", "RS384", "RS512", "rs256"):
        yield f"{alg} said, RS256 done", PUBLIC.token(header={"alg": alg})
    yield "HS256 with an empty secret", _hmac(b"", SHARED.header(), "sha256")
    yield "HS512 with the real secret", _hmac(SHARED.private, SHARED.header(alg="HS512"), "sha512")


def _hmac(secret: bytes, header: dict[str, Any], digest: str) -> str:
    signing_input = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims()).encode())}"
    return f"{signing_input}.{b64(hmac.new(secret, signing_input.encode(), digest).digest())}"


def _wrong_keys() -> Iterator[Forgery]:
    for key in KEYS:
        stranger = Key(key.kid, key.alg, seed=b"the key of a stranger, 32 bytes.")
        yield f"a stranger's {key.alg}", stranger.token()
        for other in KEYS:
            if other is not key:
                yield f"{key.kid} said, {other.kid} used", other.sign(key.header(), claims())
    kids: tuple[Any, ...] = (
        "",
        "unknown",
        "shared ",
        "SHARED",
        "shared\x00",
        "../../../../dev/null",
        "/proc/self/environ",
        "file:///etc/passwd",
        "http://evil.example/jwks.json",
        "' OR '1'='1",
        "shared' UNION SELECT 'k",
        "$(id)",
        "{{7*7}}",
        "shared\r\nX: y",
        "k" * 4000,
        None,
        0,
        True,
        ["shared"],
        {"kid": "shared"},
    )
    for kid in kids:
        header = SHARED.header() | {"kid": kid}
        yield f"kid {str(kid)[:40]!r}", SHARED.sign(header, claims())
        yield f"kid {str(kid)[:40]!r} and an empty secret", _hmac(b"", header, "sha256")


def _instructive_headers() -> Iterator[Forgery]:
    stranger = Key("rsa", "RS256")
    for name, value in {
        "jwk": stranger.jwk,
        "jku": "https://evil.example/jwks.json",
        "x5u": "https://evil.example/cert.pem",
        "x5c": ["MIIB"],
        "crit": ["exp"],
        "zip": "DEF",
        "enc": "A256GCM",
        "b64": False,
    }.items():
        yield f"{name} with a stranger's key", stranger.token(header={name: value})
        yield f"{name} with the real key", SHARED.token(header={name: value})
    for crit in ([], ["b64"], ["unknown"], "exp", None, [None]):
        yield f"crit {crit!r}", SHARED.sign(SHARED.header() | {"crit": crit, "b64": True}, claims())


def _malformed_headers() -> Iterator[Forgery]:
    for header in (b"", b"{", b"[]", b"null", b"1", b'"HS256"', b"{}", b"\xff", b'{"alg": NaN}', b"\xef\xbb\xbf{}"):
        yield repr(header), SHARED.sign(header, claims())
    good = json.dumps(SHARED.header())
    yield "UTF-16", SHARED.sign(good.encode("utf-16"), claims())
    yield "UTF-32", SHARED.sign(good.encode("utf-32"), claims())
    yield "trailing comma", SHARED.sign(good.replace("}", ",}").encode(), claims())
    yield "a comment", SHARED.sign(good.replace("{", "{/**/").encode(), claims())
    yield "deep JSON", SHARED.sign(good.replace("}", ', "x": ' + "[" * 1500 + "]" * 1500 + "}}").encode(), claims())


def _wrong_types() -> Iterator[Forgery]:
    for typ in (
        "JWT",
        "jwt",
        "AT+JW\u1e6a",
        "application/jwt+at",
        "application/AT+JWT;v=1",
        "application/application/at+jwt",
        "text/at+jwt",
        "at+jwt ",
        "application/jwt",
        "refresh+jwt",
        "id+jwt",
        "dpop+jwt",
        "",
        None,
        1,
        [],
    ):
        yield repr(typ), SHARED.sign(SHARED.header() | {"typ": typ}, claims())
    yield "no typ", SHARED.token(header={"typ": None})


def _mangled_signatures() -> Iterator[Forgery]:
    for key in KEYS:
        signing_input, _, signature = key.token().rpartition(".")
        raw = base64.urlsafe_b64decode(signature + "==")
        variants = {
            "truncated": raw[:-1],
            "half": raw[: len(raw) // 2],
            "one byte": raw[:1],
            "extended": raw + b"\x00",
            "doubled": raw * 2,
            "reversed": raw[::-1],
            "zeros": bytes(len(raw)),
            "one bit off": bytes([raw[0] ^ 1]) + raw[1:],
            "last bit off": raw[:-1] + bytes([raw[-1] ^ 1]),
        }
        for name, mangled in variants.items():
            yield f"{key.alg} {name}", f"{signing_input}.{b64(mangled)}"
        yield f"{key.alg} of other claims", f"{key.token(sub='admin').rpartition('.')[0]}.{signature}"
        yield f"{key.alg} hashed only", f"{signing_input}.{b64(hashlib.sha256(signing_input.encode()).digest())}"


def _mangled_encodings() -> Iterator[Forgery]:
    token = SHARED.token()
    header, payload, signature = token.split(".")
    yield from {
        "padded signature": f"{token}=",
        "padded twice": f"{token}==",
        "padded header": f"{header}=.{payload}.{signature}",
        "padded payload": f"{header}.{payload}=.{signature}",
        "inner space": f"{header}. {payload}.{signature}",
        "inner tab": f"{header}.\t{payload}.{signature}",
        "percent": token.replace(".", "%2E"),
        "full stop of another script": token.replace(".", "。"),
        "standard alphabet": f"{header}.{payload}.{signature[:-2]}+/",
        "not ASCII": f"{token}ü",
        "NUL": f"{token}\x00",
        "quotes": f'"{token}"',
        "upper case": token.upper(),
    }.items()
    # The last character of 32 bytes carries two bits that decoding drops: four spellings of one signature.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    place = alphabet.index(signature[-1])
    for bits in range(1, 4):
        yield f"unused bits {bits}", token[:-1] + alphabet[place ^ bits]


def _mangled_structures() -> Iterator[Forgery]:
    token = SHARED.token()
    header, payload, signature = token.split(".")
    mangled_tokens = (
        "",
        ".",
        "..",
        "...",
        header,
        f"{header}.{payload}",
        f"{header}.{payload}.",
        f"{header}..{signature}",
        f".{payload}.{signature}",
        f"{token}.",
        f".{token}",
        f"{token}.{signature}",
        f"{header}.{payload}.{payload}.{signature}",
        f"{header}.{payload}.{signature}.{signature}.{signature}",
        f"{token},{token}",
        f"{token} {token}",
        "dtr1_" + "A" * 60,
        json.dumps({"payload": payload, "protected": header, "signature": signature}),
    )
    yield from ((f"number {number}", mangled) for number, mangled in enumerate(mangled_tokens))


def _oversized() -> Iterator[Forgery]:
    good = SHARED.token(pad="x" * 5600)
    missing = TOKEN_LIMIT + 1 - len(good)
    yield "just above 8 KiB", SHARED.token(pad="x" * (5600 + missing * 3 // 4 + 1))
    yield "a long header", SHARED.token(header={"pad": "x" * 6200})
    yield "deep claims", SHARED.token(pad=json.loads("[" * 900 + "]" * 900), more="x" * 6000)
    yield "nothing but A", "A" * 8193
    yield "nothing but dots", "." * 8193
