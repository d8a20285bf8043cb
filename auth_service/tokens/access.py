"""Access tokens: JWTs after RFC 9068, minted here and read back only where this service made them. No I/O."""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import jwt
from jwt import PyJWK
from pydantic_core import to_json

from ..domain.jwk import Jwk, public_jwk, secret_of
from ..domain.models import Session, User
from ..domain.own_claims import joined
from ..errors import InvalidToken
from .keyed_hmac import KeyedHmac

TYPE = "at+jwt"  # RFC 9068 §2.1
CLIENT_ID = "dualtoken"  # RFC 9068 §2.2 requires a client; this service knows only its own
_REQUIRED = ["iss", "aud", "sub", "sid", "iat", "exp", "jti", "scope", "username"]
_JTI_BYTES = 16
MAX_CHARACTERS = 8192
"""Verifiers read no longer token."""
# The most that stands in a token beside what describes its user: a key id of 256 bytes, ids, times, ``amr``, the names
# of the claims; and the signature of an RSA key of 4,096 bits.
_REST_BYTES, _SIGNATURE_BYTES = 1280, 512


def require_room(user: User, *, issuer: str, audience: str | Sequence[str]) -> None:
    """Return if each access token of *user* will be short enough for verifiers, under any key.

    Raises:
        ValueError: one would be too long.
    """
    described = to_json((issuer, audience, user.id, user.username, user.email, user.scope))
    size = (len(described) + len((user.claims or "").encode()) + _REST_BYTES + _SIGNATURE_BYTES) * 4 // 3
    if size > MAX_CHARACTERS:
        raise ValueError(f"an access token could have {size} characters, of {MAX_CHARACTERS} that verifiers read")


class AccessTokens:
    """Mints with the first key; reads what any of the keys signed.

    Args:
        keys: of the access key file.
        issuer: the claim ``iss``.
        audience: the resource, or resources, that the tokens are for.
        ttl_s: how long they live.
    """

    def __init__(self, keys: Sequence[Jwk], *, issuer: str, audience: str | Sequence[str], ttl_s: int) -> None:
        # The library verifies with a private RSA key as little as OpenSSL does.
        self._keys = {key["kid"]: PyJWK(public_jwk(key) or key) for key in keys}
        self._sign = _signer(keys[0])
        header = {"typ": TYPE, "alg": keys[0]["alg"], "kid": keys[0]["kid"]}
        self._header = _base64url(to_json(header)) + b"."
        self._issuer, self._audience = issuer, _aud(audience)
        # A jti must be unique, not secret (RFC 7519 §4.1.7): a random number for each object, then counting.
        self._jti_prefix = secrets.token_urlsafe(_JTI_BYTES)
        self._jti_count = count()
        self.ttl_s = ttl_s

    def mint(self, session: Session, now: int, *, scope: str | None = None) -> str:
        """Return an access token of *session*, for its scope unless another is given; *now* in milliseconds."""
        user = session.user
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": user.id,
            "sid": session.id,
            "client_id": CLIENT_ID,
            "iat": now // 1000,
            # Up to the next whole second: the token lives at least as long as ``expires_in`` says.
            "exp": -(-now // 1000) + self.ttl_s,
            "jti": f"{self._jti_prefix}{next(self._jti_count):x}",
            "scope": session.scope if scope is None else scope,
            "username": user.username,
        }
        if user.email:
            claims["email"] = user.email
        # RFC 7515 §3.1, by hand around the signature: the library's encode() checks the key anew for each token, which
        # takes longer than all the rest.
        signing_input = self._header + _base64url(joined(to_json(claims), session.claims, user.claims))
        return (signing_input + b"." + _base64url(self._sign(signing_input))).decode()

    def read(self, token: str, now: int) -> dict[str, Any]:
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


def _aud(audience: str | Sequence[str]) -> str | list[str]:
    """Return the claim: of one audience, its name alone (RFC 7519 §4.1.3)."""
    if isinstance(audience, str):
        return audience
    return audience[0] if len(audience) == 1 else list(audience)


def _signer(key: Jwk) -> Callable[[bytes], bytes]:
    """Return what signs with *key* (RFC 7518 §3.2: HS256 is HMAC-SHA-256)."""
    if key["alg"] == "HS256":
        return KeyedHmac(secret_of(key))
    signing = PyJWK(key)
    return lambda message: bytes(signing.Algorithm.sign(message, signing.key))


def _base64url(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")  # RFC 7515 §2
