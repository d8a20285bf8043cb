import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import jwt
import pytest
from jwt import PyJWK

from auth_service.access_tokens import AccessTokens
from auth_service.errors import InvalidToken
from auth_service.keys import Jwk, new_jwk, public_jwk
from auth_service.models import User, new_session_id
from auth_service.refresh_tokens import RefreshKey, RefreshTokens
from tests.auth_service.running import START_MS

USER = User("u-1", "zs", "zs@example.org", "read write")
KEY = new_jwk("HS256")
ISSUER, AUDIENCE = "https://auth.example", "https://api.example"


def access_tokens(*keys: Jwk, **changes: Any) -> AccessTokens:
    """Return what mints and reads with *keys*."""
    return AccessTokens(keys or [KEY], **{"issuer": ISSUER, "audience": AUDIENCE, "ttl_s": 3600, **changes})


TOKENS = access_tokens()


def part(token: str, index: int) -> dict[str, Any]:
    """Return the header (0) or the claims (1) of a JWT, unverified."""
    text = token.split(".")[index]
    return dict(json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4))))


@pytest.mark.parametrize("algorithm", ["HS256", "EdDSA", "ES256", "RS256"])
def test_a_token_is_read_back_by_its_service(algorithm: str) -> None:
    """What is minted under a key of any kind is read back, and verifies with the public half alone."""
    key = new_jwk(algorithm)
    tokens = access_tokens(key)
    token = tokens.mint(USER, "sid-1", START_MS)
    claims = tokens.read(token, START_MS)
    verifying = PyJWK(public_jwk(key) or key)

    assert ("u-1", "sid-1", "read write", "zs") == (claims.sub, claims.sid, claims.scope, claims.username)
    assert part(token, 1) == json.loads(jwt.PyJWS().decode(token, verifying, algorithms=[algorithm]))


def test_each_token_has_an_id_of_its_own() -> None:
    """Two tokens minted in one millisecond differ."""
    assert TOKENS.mint(USER, "s", START_MS) != TOKENS.mint(USER, "s", START_MS)


def test_a_token_lives_for_its_time() -> None:
    """The claim exp is iat plus AUTH_ACCESS_TTL_S; at that second the token is dead."""
    token = TOKENS.mint(USER, "s", START_MS)

    assert START_MS // 1000 + 3600 == TOKENS.read(token, START_MS + 3_599_999).exp
    with pytest.raises(InvalidToken):
        TOKENS.read(token, START_MS + 3_600_000)


def test_the_first_key_signs_and_all_verify() -> None:
    """After a rotation of keys, older tokens are still read."""
    fresh = new_jwk("EdDSA")
    both = access_tokens(fresh, KEY)

    assert "u-1" == both.read(TOKENS.mint(USER, "s", START_MS), START_MS).sub
    assert fresh["kid"] == part(both.mint(USER, "s", START_MS), 0)["kid"]


def signed(header: dict[str, Any] | None = None, key: Jwk = KEY, **claims: Any) -> str:
    """Return a token like those of TOKENS, changed as said; a member of None is left out."""
    body = {**part(TOKENS.mint(USER, "s", START_MS), 1), **claims}
    head = {"typ": "at+jwt", "kid": key["kid"], **(header or {})}
    body, head = ({name: value for name, value in half.items() if value is not None} for half in (body, head))
    return jwt.encode(body, PyJWK(key), headers=head)


def unsigned() -> str:
    """Return a token that claims to need no signature."""
    head = {"alg": "none", "typ": "at+jwt", "kid": KEY["kid"]}
    claims = part(TOKENS.mint(USER, "s", START_MS), 1)
    return ".".join(urlsafe_b64encode(json.dumps(half).encode()).decode().rstrip("=") for half in (head, claims)) + "."


def test_the_forgeries_below_start_from_a_good_token() -> None:
    """Unchanged, what ``signed`` makes is read."""
    assert "u-1" == TOKENS.read(signed(), START_MS).sub


@pytest.mark.parametrize(
    "token",
    [
        signed({"typ": "JWT"}),
        signed({"kid": "another"}),
        signed({"kid": None}),
        signed(key={**new_jwk("HS256"), "kid": KEY["kid"]}),
        signed(key={**new_jwk("EdDSA"), "kid": KEY["kid"]}),
        signed({"crit": ["x"], "x": 1}),
        signed(iss="https://elsewhere.example"),
        signed(aud="https://elsewhere.example"),
        *(signed(**{claim: None}) for claim in ("iss", "aud", "sub", "sid", "iat", "exp", "jti")),
        unsigned(),
        pytest.param(RefreshTokens([RefreshKey("k", b"x" * 32)]).encode(new_session_id(), 0), id="a refresh token"),
        "",
        "a.b.c",
        "..",
        "é.é.é",
        "\ud800",
        "x" * 100_000,
    ],
)
def test_anything_else_is_refused(token: str) -> None:
    """Another type, key, algorithm, issuer or audience, a missing claim, a refresh token, noise: InvalidToken."""
    with pytest.raises(InvalidToken):
        TOKENS.read(token, START_MS)
