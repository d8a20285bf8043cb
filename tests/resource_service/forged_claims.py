"""Tokens with a good signature whose claims must be refused all the same."""

import json
from collections.abc import Iterator
from typing import Any

from tests.resource_service.forging import SHARED, Forgery
from tests.resource_service.issuer import AUDIENCE, ISSUER, NOW, SID, TTL_S, claims


def missing_claims() -> Iterator[Forgery]:
    """Tokens without what RFC 9068 §2.2 requires."""
    for claim in ("iss", "aud", "sub", "iat", "exp"):
        yield claim, SHARED.token(**{claim: None})
        yield f"{claim} null", SHARED.sign(SHARED.header(), claims() | {claim: None})
    yield "all", SHARED.sign(SHARED.header(), {})
    for payload in (b"", b"null", b"[]", b"1", b'"claims"', b"{", b"\xff\xff", json.dumps(claims()).encode("utf-16")):
        yield repr(payload[:12]), SHARED.sign(SHARED.header(), payload)


def mistyped_claims() -> Iterator[Forgery]:
    """Claims that are not of their type."""
    odd: dict[str, list[Any]] = {
        "iss": [1, [ISSUER], {"": ISSUER}, True, "", ISSUER + "\ud800"],
        "aud": [1, {}, {AUDIENCE: 1}, [], [1], [[AUDIENCE]], "", True],
        "sub": [1, [], {}, True, "", "u" * 5000, "\ud800"],
        "sid": [1, [SID], {}, False, "", "s" * 5000],
        "iat": ["1800000000", [NOW], {}, True, "", "now"],
        "exp": [str(NOW + TTL_S), [NOW + TTL_S], {}, True, "", "never"],
        "nbf": ["1800000000", [], True],
        "scope": [1, ["read", "write"], {}, True],
        "username": [1, [], {}, True, ""],
        "email": [1, [], "\udfff"],
        "jti": [1, []],
        "client_id": [1, []],
    }
    for claim, values in odd.items():
        for value in values:
            yield f"{claim} {str(value)[:20]!r} ({type(value).__name__})", SHARED.token(**{claim: value})


def bound_tokens() -> Iterator[Forgery]:
    """Tokens that are good only together with a proof of their holder's key (RFC 7800), of whatever form."""
    for cnf in ({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}, {"x5t#S256": "x"}, {"jwk": {}}, {}, "", [], 0):
        yield repr(cnf), SHARED.token(cnf=cnf)
    yield "cnf null", SHARED.sign(SHARED.header(), claims() | {"cnf": None})


def wrong_claims() -> Iterator[Forgery]:
    """Another issuer, another audience."""
    for iss in (
        ISSUER + "/",
        ISSUER.upper(),
        "http://localhost:8001@evil.example",
        "http://evil.example",
        "*",
        " " + ISSUER,
    ):
        yield f"iss {iss}", SHARED.token(iss=iss)
    for aud in (
        AUDIENCE + "/",
        "http://localhost",
        "*",
        [ISSUER],
        ["http://a", "http://b"],
        AUDIENCE[:-1],
        AUDIENCE + "\x00",
    ):
        yield f"aud {aud}", SHARED.token(aud=aud)


def wrong_times() -> Iterator[Forgery]:
    """Past, future, and beyond any clock."""
    times = (0, -1, -(10**18), NOW - 100_000, 2**53, 2**63, 10**30, 10**400)
    for time in times:
        yield f"exp {_short(time)}", SHARED.token(exp=time)
    for time in (-1, NOW + 3600, 2**53, 10**30):
        yield f"iat {_short(time)}", SHARED.token(iat=time)
        yield f"nbf {_short(time)}", SHARED.token(nbf=time)
    good = json.dumps(claims())
    for text in ("1e400", "-1e400", "Infinity", "NaN", "0x7fffffff", "1_800_003_600", "01800003600", "9" * 5000):
        yield f"exp spelled {text[:14]}", SHARED.sign(SHARED.header(), good.replace(str(NOW + TTL_S), text).encode())


def _short(number: int) -> str:
    return f"{str(number)[:6]} of {len(str(number))} characters"


def duplicates() -> Iterator[Forgery]:
    """Members that two readers would read differently."""
    good = json.dumps(claims())
    for claim, value in {
        "sub": '"admin"',
        "exp": str(NOW + TTL_S),
        "scope": '"admin"',
        "aud": f'"{AUDIENCE}"',
        "iss": '"x"',
    }.items():
        yield f"{claim} last", SHARED.sign(SHARED.header(), good.replace("}", f', "{claim}": {value}}}').encode())
        yield f"{claim} first", SHARED.sign(SHARED.header(), good.replace("{", f'{{"{claim}": {value}, ').encode())
    header = json.dumps(SHARED.header())
    for name in ("alg", "kid", "typ"):
        doubled = header.replace("{", f'{{"{name}": "none", ')
        yield f"header {name}", SHARED.sign(doubled.encode(), claims())
