"""Verification of access tokens, and the cache of those verified. Pure: no I/O, no web framework."""

import time
from collections import OrderedDict
from collections.abc import Callable, Container
from dataclasses import dataclass

from resource_service.claims import Claims, read_claims
from resource_service.errors import KeysUnavailable, TokenRefused, UnknownKey
from resource_service.jwk_set import KeySet
from resource_service.jws import parse
from resource_service.strict_json import read_object

TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type (RFC 9068 §2.1), not a secret
CACHED_TOKENS = 8192


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
        revoked: the ids of revoked sessions, looked at on every call.
        cached_tokens: how many tokens to remember; the least recently used is forgotten first.

    Source: RFC 9068 §4; RFC 8725 §3.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        revoked: Container[str] = frozenset(),
        cached_tokens: int = CACHED_TOKENS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if cached_tokens < 1:
            raise ValueError(f"cached_tokens must be at least 1, not {cached_tokens}")
        self._policy = policy
        self._leeway_s = policy.leeway_s
        self._revoked = revoked
        self._limit = cached_tokens
        self._clock = clock
        self._keys: KeySet | None = None
        # Keyed by the token itself: finding it out by timing would mean hitting its keyed 64-bit hash first, and a
        # digest would cost more than all the rest of a hit.
        self._verified: OrderedDict[str, Claims] = OrderedDict()
        self.hits = 0
        """How many good tokens were known already."""
        self.misses = 0
        """How many tokens were not: first uses, forgeries, those that were forgotten."""

    def use(self, keys: KeySet) -> None:
        """Verify with *keys* from now on, and only with them."""
        self._keys = keys
        self._verified.clear()

    @property
    def cached(self) -> int:
        """How many verified tokens are remembered now."""
        return len(self._verified)

    def verify(self, token: str) -> Claims:
        """Say who *token* speaks for.

        Raises:
            UnknownKey: newer keys might verify it.
            TokenRefused: it is expired, revoked or invalid.
            KeysUnavailable: there are no keys yet.
        """
        claims = self._verified.get(token)
        if claims is None:
            self.misses += 1
            claims = self._verify_signature(token)
            self._check_rules(claims)
            self._remember(token, claims)
        elif claims.exp <= self._clock() - self._leeway_s:
            del self._verified[token]
            raise TokenRefused("expired", "expired since it was verified")
        else:
            self._verified.move_to_end(token)
            self.hits += 1
        if claims.sid in self._revoked:
            raise TokenRefused("revoked", "its session was revoked")
        return claims

    def _verify_signature(self, token: str) -> Claims:
        if self._keys is None:
            raise KeysUnavailable("no key set has been loaded")
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

    def _remember(self, token: str, claims: Claims) -> None:
        self._verified[token] = claims
        if len(self._verified) > self._limit:
            self._verified.popitem(last=False)
