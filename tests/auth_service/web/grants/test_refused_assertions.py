"""Assertions that open no session: claims that are not good, and signatures that are not the issuer's."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from dualtoken.auth_service.domain.jwk import new_jwk
from tests.auth_service.conftest import StartAuth
from tests.auth_service.domain.dpop import segment
from tests.auth_service.issuers import AUDIENCE, Issuer, write_issuers
from tests.auth_service.running import START_MS, Auth
from tests.auth_service.web.grants.presenting import present, rows

FLAWS: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"iat": START_MS // 1000 - 290, "exp": START_MS // 1000 - 60}, "expired"),
    "an old iat": ({"iat": START_MS // 1000 - 360}, "too_old"),
    "an iat of tomorrow": ({"iat": START_MS // 1000 + 86_400, "exp": START_MS // 1000 + 90_000}, "too_early"),
    "an nbf of tomorrow": ({"nbf": START_MS // 1000 + 86_400}, "too_early"),
    "another audience": ({"aud": "somebody else"}, "audience"),
    "one audience more": ({"aud": [AUDIENCE, "somebody else"]}, "audience"),
    "no audience": ({"aud": None}, "incomplete"),
    "an empty audience": ({"aud": []}, "incomplete"),
    "an audience that is no text": ({"aud": [7]}, "incomplete"),
    "no iss": ({"iss": None}, "incomplete"),
    "an issuer that is not listed": ({"iss": "https://evil.example"}, "untrusted_issuer"),
    "an issuer with a slash": ({"iss": "http://127.0.0.1/"}, "untrusted_issuer"),
    "no sub": ({"sub": None}, "incomplete"),
    "an empty sub": ({"sub": ""}, "incomplete"),
    "a sub that is no text": ({"sub": 7}, "incomplete"),
    "a sub with a NUL": ({"sub": "a\0b"}, "incomplete"),
    "a sub that is no Unicode": ({"sub": "\ud800"}, "incomplete"),
    "a long sub": ({"sub": "x" * 255}, "incomplete"),
    "no exp": ({"exp": None}, "incomplete"),
    "an exp that is no time": ({"exp": "tomorrow"}, "incomplete"),
    "an exp that is a boolean": ({"exp": True}, "incomplete"),
    "no iat": ({"iat": None}, "incomplete"),
    "a log-out token": ({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}, "malformed"),
    "an access token of Keycloak's": ({"typ": "Bearer"}, "malformed"),
    "a binding that is not proven": ({"cnf": {"jkt": "x" * 43}}, "unproven"),
    "a binding to nothing": ({"cnf": {"jkt": None}}, "unproven"),
    "a sub that cannot be a name": ({"sub": "a\x85b"}, "incomplete"),
}


@pytest.mark.parametrize("flaw", FLAWS)
async def test_claims_must_be_good(auth: Auth, issuer: Issuer, flaw: str) -> None:
    """Each flaw has its reason and an event, and nothing has happened."""
    changes, reason = FLAWS[flaw]
    with capture_logs() as logs:
        answer = await present(auth, issuer.assertion(**changes))
    [told] = [line for line in logs if line["event"] == "assertion.refused"]

    assert (400, "invalid_grant", reason) == (*answer.error, answer.body["reason"])
    assert (
        reason,
        None if reason == "untrusted_issuer" or flaw == "no iss" or reason == "malformed" else issuer.url,
    ) == (
        told["reason"],
        told["issuer"],
    )
    assert [0, 0, 0] == rows(auth)


def forged(issuer: Issuer, kind: str) -> str:
    """Return an assertion that the issuer has not signed, or not as one."""
    header, claims = issuer.header(), issuer.claims()
    good = issuer.sign(header, claims)
    signing = good.rpartition(".")[0]
    public = {name: issuer.jwk[name] for name in ("kty", "crv", "x", "y")}
    secret = {"kty": "oct", "alg": "HS256", "k": issuer.jwk["x"]}
    other = new_jwk("ES256")
    return {
        "another key": issuer.sign(header, claims, other),
        "another key, embedded": issuer.sign({**header, "jwk": public}, claims, other),
        "a key elsewhere": issuer.sign({**header, "jku": "https://evil.example"}, claims, other),
        "changed claims": f"{segment(header)}.{segment({**claims, 'sub': 'admin'})}.{good.rpartition('.')[2]}",
        "no signature": f"{signing}.",
        "a signature of nothing": f"{signing}.{segment(b'')}",
        "alg none": f"{segment({**header, 'alg': 'none'})}.{segment(claims)}.{segment(b'x')}",
        "the public key as a secret": issuer.sign({**header, "alg": "HS256"}, claims, secret),
        "another algorithm than the key's": issuer.sign({**header, "alg": "EdDSA"}, claims, new_jwk("EdDSA")),
        "a kid that is no text": issuer.sign({**header, "kid": 7}, claims),
        "an access token": issuer.sign({**header, "typ": "at+jwt"}, claims),
        "a proof": issuer.sign({**header, "typ": "dpop+jwt"}, claims),
        "crit": issuer.sign({**header, "crit": ["b64"], "b64": False}, claims),
        "no JSON": f"{segment(header)}.{segment(b'{')}.{good.rpartition('.')[2]}",
        "a member twice": f"{segment(header)}.{segment(TWICE)}.{good.rpartition('.')[2]}",
        "nothing": "x",
    }[kind]


TWICE = b'{"sub":"a","sub":"b"}'
FORGERIES = {
    "another key": "forged",
    "another key, embedded": "malformed",
    "a key elsewhere": "malformed",
    "changed claims": "forged",
    "no signature": "malformed",
    "a signature of nothing": "malformed",
    "alg none": "algorithm",
    "the public key as a secret": "algorithm",
    "another algorithm than the key's": "forged",
    "a kid that is no text": "malformed",
    "an access token": "malformed",
    "a proof": "malformed",
    "crit": "malformed",
    "no JSON": "malformed",
    "a member twice": "malformed",
    "nothing": "malformed",
}


@pytest.mark.parametrize("kind", FORGERIES)
async def test_a_forged_assertion_is_refused(auth: Auth, issuer: Issuer, kind: str) -> None:
    """Nothing of it is believed, quoted or kept."""
    answer = await present(auth, forged(issuer, kind))

    assert (400, "invalid_grant", FORGERIES[kind]) == (*answer.error, answer.body["reason"])
    assert [0, 0, 0] == rows(auth)


async def test_an_algorithm_must_be_the_issuers(start_auth: StartAuth, issuer: Issuer, tmp_path: Path) -> None:
    """That a key of it is published is not enough."""
    auth = await start_auth(trusted_issuers=write_issuers(tmp_path, issuer.entry(algorithms=["RS256"])))
    answer = await present(auth, issuer.assertion())

    assert (400, "algorithm") == (answer.status, answer.body["reason"])
    assert 0 == issuer.fetches


async def test_no_line_and_no_row_holds_an_assertion(auth: Auth, issuer: Issuer) -> None:
    """Good, spent or forged: neither its claims nor its signature is written anywhere."""
    texts = [issuer.assertion(), forged(issuer, "another key"), forged(issuer, "an access token")]
    with capture_logs() as logs:
        for text in (*texts, texts[0]):
            await present(auth, text)
    kept = [auth.sql("SELECT * FROM spent_assertions"), auth.sql("SELECT * FROM sessions")]
    written = f"{logs}{kept}"

    assert 4 <= len(logs)
    assert not any(segment in written for text in texts for segment in text.split("."))
