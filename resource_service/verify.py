"""Verification of access tokens, and the cache of those verified. Pure: no I/O, no web framework."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from resource_service.claims import Claims, read_claims
from resource_service.errors import KeysUnavailable, RevocationsStale, TokenRefused, UnknownKey
from resource_service.jwk_set import KeySet
from resource_service.jws import parse
from resource_service.revoked_sessions import RevokedSessions
from resource_service.strict_json import read_object

TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type (RFC 9068 §2.1), not a secret
CACHED_TOKENS = 8192
SCHEME = "Bearer "
"""What stands before the token in credentials (RFC 6750 §2.1), in the one spelling that is remembered."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a token must say.

    Attributes:
        issuer: the ``iss`` that is believed.
        audience: the name of this resource, which ``aud`` must contain.
        leeway_s: seconds by which the issuer's clock may differ.
    """

    issuer: str
    audience: str
    leeway_s: float = 5.0


class Verifier:
    """Turns an access token into claims, or refuses it.

    A token that was verified is remembered: PyJWT's signature check costs several times what the rest of a request's
    authentication does. What can change between two uses of a token is checked at each use: its expiry, and whether
    its session was revoked. A new key set forgets every remembered token.

    Only tokens with a good signature are remembered, so nobody without one can push others out.

    Args:
        clock: seconds since the epoch.
        revoked: the revoked sessions, looked at on every call.
        cached_tokens: how many tokens to remember; the least recently used is forgotten first.

    Source: RFC 9068 §4; RFC 8725 §3.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        revoked: RevokedSessions | None = None,
        cached_tokens: int = CACHED_TOKENS,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if cached_tokens < 1:
            raise ValueError(f"cached_tokens must be at least 1, not {cached_tokens}")
        self._policy = policy
        self._leeway_s = policy.leeway_s
        self._revoked = RevokedSessions(0) if revoked is None else revoked
        self._revoked_ids = self._revoked.ids
        self._clock, self._monotonic = clock, monotonic
        self._keys: KeySet | None = None
        # Keyed by the credentials themselves: finding them out by timing would mean hitting their keyed 64-bit hash
        # first, and to digest them, or only to cut the token out, would cost a good part of all the rest of a hit.
        self._verified = lru_cache(cached_tokens)(self._first_use)
        self._hits = self._misses = 0

    def use(self, keys: KeySet) -> None:
        """Verify with *keys* from now on, and only with them."""
        self._keys = keys if keys.keys else None
        self._hits, self._misses = self.hits, self.misses
        self._verified.cache_clear()

    @property
    def cached(self) -> int:
        """How many verified tokens are remembered now."""
        return self._verified.cache_info().currsize

    @property
    def hits(self) -> int:
        """How often a token was known already."""
        return self._hits + self._verified.cache_info().hits

    @property
    def misses(self) -> int:
        """How often it was not: first uses, forgeries, those that were forgotten."""
        return self._misses + self._verified.cache_info().misses

    def verify(self, token: str) -> Claims:
        """Say who *token* speaks for.

        Raises:
            UnknownKey: newer keys might verify it.
            TokenRefused: it is expired, revoked or invalid.
            KeysUnavailable: there are no keys.
            RevocationsStale: nobody knows now who is revoked.
        """
        return self.verify_credentials(SCHEME + token)

    def verify_credentials(self, credentials: str) -> Claims:
        """Say who *credentials* speak for: ``SCHEME`` and a token.

        Any other spelling of the same is refused, for its sender could fill the cache with spellings of one token.

        Raises:
            UnknownKey, TokenRefused, KeysUnavailable, RevocationsStale: as :meth:`verify`.
        """
        if self._monotonic() > self._revoked.known_until:
            raise RevocationsStale("the revocation feed is silent")
        claims = self._verified(credentials)
        if claims.exp <= self._clock() - self._leeway_s:
            raise TokenRefused("expired", "expired since it was verified")
        if claims.sid in self._revoked_ids:
            raise TokenRefused("revoked", "its session was revoked")
        return claims

    def _first_use(self, credentials: str) -> Claims:
        if not credentials.startswith(SCHEME):
            raise TokenRefused("invalid", "another scheme, or another spelling of it")
        claims = self._verify_signature(credentials[len(SCHEME) :])
        self._check_rules(claims)
        return claims

    def _verify_signature(self, token: str) -> Claims:
        if self._keys is None:
            raise KeysUnavailable("there is no key")
        signed = parse(token)
        kid = signed.header.get("kid")
        if not isinstance(kid, str):
            raise TokenRefused("invalid", "no kid")
        if signed.header.get("typ") != TOKEN_TYPE:
            raise TokenRefused("invalid", "not an access token: wrong typ")
        key = self._keys.keys.get(kid)
        if key is None:
            raise UnknownKey
        if signed.header.get("alg") != key.alg:
            raise TokenRefused("invalid", "not the algorithm of its key")
        if not key.verifies(signed.signing_input, signed.signature):
            raise TokenRefused("invalid", "wrong signature")
        try:
            return read_claims(read_object(signed.payload))
        except ValueError:
            raise TokenRefused("invalid", "claims are not a JSON object") from None

    def _check_rules(self, claims: Claims) -> None:
        now, leeway = self._clock(), self._leeway_s
        if claims.iss != self._policy.issuer:
            raise TokenRefused("invalid", "another issuer")
        if self._policy.audience not in claims.aud:
            raise TokenRefused("invalid", "another audience")
        if claims.iat > now + leeway or (claims.nbf or 0) > now + leeway:
            raise TokenRefused("invalid", "not valid yet")
        if claims.exp <= now - leeway:
            raise TokenRefused("expired", "expired")
