import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import jwt
import pytest
from jwt import PyJWK

from dualtoken.auth_service.domain.jwk import Jwk, new_jwk, public_jwk
from dualtoken.auth_service.domain.models import Session, User, new_session_id
from dualtoken.auth_service.errors import InvalidToken
from dualtoken.auth_service.tokens.access import MAX_CHARACTERS, AccessTokens, require_room
from dualtoken.auth_service.tokens.refresh import RefreshKey, RefreshTokens
from tests.auth_service.running import START_MS

USER = User("u-1", "zs", "zs@example.org", "read write")
SESSION = Session("s", USER, 0, START_MS, None, START_MS, START_MS)
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


def test_a_token_is_for_one_resource_or_several() -> None:
    """RFC 7519 §4.1.3: of one, the name alone. A token of before one was added is read back."""
    one, both = access_tokens(), access_tokens(audience=(AUDIENCE, "https://other.example"))
    minted = [tokens.mint(SESSION, START_MS) for tokens in (one, access_tokens(audience=(AUDIENCE,)), both)]

    assert [AUDIENCE, AUDIENCE, [AUDIENCE, "https://other.example"]] == [part(token, 1)["aud"] for token in minted]
    assert {"u-1"} == {both.read(token, START_MS)["sub"] for token in minted}


@pytest.mark.parametrize("algorithm", ["HS256", "EdDSA", "ES256", "RS256"])
def test_a_token_is_read_back_by_its_service(algorithm: str) -> None:
    """What is minted under a key of any kind is read back, and verifies with the public half alone."""
    key = new_jwk(algorithm)
    tokens = access_tokens(key)
    token = tokens.mint(SESSION._replace(id="sid-1"), START_MS)
    claims = tokens.read(token, START_MS)
    verifying = PyJWK(public_jwk(key) or key)

    assert ("u-1", "sid-1", "read write", "zs") == tuple(claims[name] for name in ("sub", "sid", "scope", "username"))
    assert part(token, 1) == json.loads(jwt.PyJWS().decode(token, verifying, algorithms=[algorithm]))


def test_each_token_has_an_id_of_its_own() -> None:
    """Two tokens minted in one millisecond differ."""
    assert TOKENS.mint(SESSION, START_MS) != TOKENS.mint(SESSION, START_MS)


def test_a_token_lives_for_its_time() -> None:
    """In a whole second, the claim exp is iat plus AUTH_ACCESS_TTL_S; at that second the token is dead."""
    token = TOKENS.mint(SESSION, START_MS)

    assert START_MS // 1000 + 3600 == TOKENS.read(token, START_MS + 3_599_999)["exp"]
    with pytest.raises(InvalidToken):
        TOKENS.read(token, START_MS + 3_600_000)


@pytest.mark.parametrize("after_ms", [0, 1, 999])
def test_a_token_lives_at_least_as_long_as_promised(after_ms: int) -> None:
    """``expires_in`` counts from the moment of the answer, and the claims from a whole second."""
    token, minted_at = TOKENS.mint(SESSION, START_MS + after_ms), START_MS + after_ms

    assert "u-1" == TOKENS.read(token, minted_at + TOKENS.ttl_s * 1000 - 1)["sub"]


def test_a_token_tells_the_claims_of_its_user_and_its_session() -> None:
    """Both stand beside the registered ones, as they were set."""
    user = USER._replace(claims='{"tenant":"北京","roles":["a"]}')
    session = SESSION._replace(user=user, claims='{"auth_time":1700000000,"amr":["pwd"]}')
    plain, full = (part(TOKENS.mint(each, START_MS), 1) for each in (SESSION, session))

    added = {"tenant": "北京", "roles": ["a"], "auth_time": 1700000000, "amr": ["pwd"]}
    assert {**plain, **added, "jti": full["jti"]} == full


def widest(claims_bytes: int, text: str = "𐀀") -> User:
    """Return a user each text of whom is as long as may be."""
    claims = f'{{"a":"{"x" * (claims_bytes - 8)}"}}'
    return User(text * 255, text * 255, text * 254, "x" * 1024, claims=claims)


def test_no_token_that_has_room_is_too_long_for_verifiers() -> None:
    """Whatever a user is called: where there is room, a token under the longest key is short enough."""
    key = {**new_jwk("RS256"), "kid": "k" * 256}
    for text in ("𐀀", "\\", "x"):
        for claims_bytes in range(8, 2049, 60):
            user = widest(claims_bytes, text)
            session = SESSION._replace(
                id=new_session_id(), user=user, claims='{"auth_time":1,"amr":["' + "x" * 200 + '"]}'
            )
            token = access_tokens(key).mint(session, START_MS)
            try:
                require_room(user, issuer=ISSUER, audience=AUDIENCE)
            except ValueError:
                continue
            assert len(token) <= MAX_CHARACTERS


def test_what_has_no_room_is_named() -> None:
    """Only names that are far longer than anybody's leave less than 2 KiB for claims."""
    require_room(USER._replace(claims='{"a":"' + "x" * 2040 + '"}'), issuer=ISSUER, audience=AUDIENCE)

    with pytest.raises(ValueError, match="8192 that verifiers read"):
        require_room(widest(2048), issuer=ISSUER, audience=AUDIENCE)


def test_the_first_key_signs_and_all_verify() -> None:
    """After a rotation of keys, older tokens are still read."""
    fresh = new_jwk("EdDSA")
    both = access_tokens(fresh, KEY)

    assert "u-1" == both.read(TOKENS.mint(SESSION, START_MS), START_MS)["sub"]
    assert fresh["kid"] == part(both.mint(SESSION, START_MS), 0)["kid"]


def signed(header: dict[str, Any] | None = None, key: Jwk = KEY, **claims: Any) -> str:
    """Return a token like those of TOKENS, changed as said; a member of None is left out."""
    body = {**part(TOKENS.mint(SESSION, START_MS), 1), **claims}
    head = {"typ": "at+jwt", "kid": key["kid"], **(header or {})}
    body, head = ({name: value for name, value in half.items() if value is not None} for half in (body, head))
    return jwt.encode(body, PyJWK(key), headers=head)


def unsigned() -> str:
    """Return a token that claims to need no signature."""
    head = {"alg": "none", "typ": "at+jwt", "kid": KEY["kid"]}
    claims = part(TOKENS.mint(SESSION, START_MS), 1)
    return ".".join(urlsafe_b64encode(json.dumps(half).encode()).decode().rstrip("=") for half in (head, claims)) + "."


def test_the_forgeries_below_start_from_a_good_token() -> None:
    """Unchanged, what ``signed`` makes is read."""
    assert "u-1" == TOKENS.read(signed(), START_MS)["sub"]


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
