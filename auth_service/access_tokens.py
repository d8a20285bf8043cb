"""Access tokens: JWTs after RFC 9068, minted here and read back only where this service made them. No I/O."""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import jwt
from jwt import PyJWK
from pydantic_core import to_json

from auth_service.errors import InvalidToken
from auth_service.keyed_hmac import KeyedHmac
from auth_service.keys import Jwk, public_jwk, secret_of
from auth_service.models import User

TYPE = "at+jwt"  # RFC 9068 §2.1
CLIENT_ID = "dualtoken"  # RFC 9068 §2.2 requires a client; this service knows only its own
_REQUIRED = ["iss", "aud", "sub", "sid", "iat", "exp", "jti", "scope", "username"]
_JTI_BYTES = 16


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What this service needs of an access token that it minted. ``iat`` and ``exp`` are seconds since the epoch."""

    sub: str
    sid: str
    iat: int
    exp: int
    jti: str
    scope: str
    username: str


class AccessTokens:
    """Mints with the first key; reads what any of the keys signed."""

    def __init__(self, keys: Sequence[Jwk], *, issuer: str, audience: str, ttl_s: int) -> None:
        # The library verifies with a private RSA key as little as OpenSSL does.
        self._keys = {key["kid"]: PyJWK(public_jwk(key) or key) for key in keys}
        self._sign = _signer(keys[0])
        header = {"typ": TYPE, "alg": keys[0]["alg"], "kid": keys[0]["kid"]}
        self._header = _base64url(to_json(header)) + b"."
        self._issuer, self._audience = issuer, audience
        # A jti must be unique, not secret (RFC 7519 §4.1.7): a random number for each object, then counting.
        self._jti_prefix = secrets.token_urlsafe(_JTI_BYTES)
        self._jti_count = count()
        self.ttl_s = ttl_s

    def mint(self, user: User, session_id: str, now: int) -> str:
        """Return an access token for *user*; *now* in milliseconds since the epoch."""
        issued_at = now // 1000
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": user.id,
            "sid": session_id,
            "client_id": CLIENT_ID,
            "iat": issued_at,
            "exp": issued_at + self.ttl_s,
            "jti": f"{self._jti_prefix}{next(self._jti_count):x}",
            "scope": user.scope,
            "username": user.username,
            "email": user.email,
        }
        # RFC 7515 §3.1, by hand around the signature: the library's encode() checks the key anew for each token, which
        # takes longer than all the rest.
        signing_input = self._header + _base64url(to_json(claims))
        return (signing_input + b"." + _base64url(self._sign(signing_input))).decode()

    def read(self, token: str, now: int) -> AccessClaims:
        """Return what this service needs of a token. Raises: InvalidToken, as ``read_all``."""
        claims = self.read_all(token, now)
        return AccessClaims(**{name: claims[name] for name in AccessClaims.__slots__})

    def read_all(self, token: str, now: int) -> dict[str, Any]:
        """Return the claims of a token that this service minted and that is alive at *now* (milliseconds).

        Raises:
            InvalidToken: anything else, a refresh token included.
        """
        try:
            header = jwt.get_unverified_header(token)
            # The algorithm is the key's, whatever the token says (RFC 8725 §3.1).
            key = self._keys[header["kid"]]
            if str(header.get("typ", "")).lower() != TYPE:
                raise InvalidToken("typ is not at+jwt")
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=self._audience,
                issuer=self._issuer,
                # Life is judged by the clock that minted it, below.
                options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as exc:
            raise InvalidToken(type(exc).__name__) from None
        if now >= claims["exp"] * 1000:
            raise InvalidToken("expired")
        return claims


def _signer(key: Jwk) -> Callable[[bytes], bytes]:
    """Return what signs with *key* (RFC 7518 §3.2: HS256 is HMAC-SHA-256)."""
    if key["alg"] == "HS256":
        return KeyedHmac(secret_of(key))
    signing = PyJWK(key)
    return lambda message: bytes(signing.Algorithm.sign(message, signing.key))


def _base64url(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")  # RFC 7515 §2
