"""Verification of access tokens, and what is remembered of those verified. Pure: no I/O, no web framework."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..clock import passing_s
from ..errors import KeysUnavailable, RevocationsStale, TokenRefused
from .claims import Claims, read_claims
from .jwk_set import KeySet
from .jws import decode, split
from .known_forms import KnownForms
from .known_headers import UNKNOWN, KnownHeaders
from .revoked_sessions import RevokedSessions
from .strict_json import read_object
from .verified_tokens import VerifiedTokens

MIB = 1024 * 1024
CACHE_MIB = 16.0
HOT_TOKENS = 1024
"""Tokens that are remembered by their whole text, at most: those of users who are busy right now."""
HOT_CHARACTERS = 2048
"""Of the text of such a token, at most."""
SCHEME = "Bearer "
"""What stands before the token in credentials (RFC 6750 §2.1), in the one spelling that is remembered."""

Known = tuple[float, str | None, Claims]
"""``exp``, ``sid`` and all claims of a verified token."""


@dataclass(frozen=True, slots=True)
class ValidationPolicy:
    """What a token must say.

    Attributes:
        issuer: the ``iss`` that is believed.
        audience: the name of this resource, or its names: ``aud`` must contain one.
        leeway_s: seconds by which the issuer's clock may differ.
        needs_sid: whether a token must name its session: without, no revocation could reach it.

    Raises:
        ValueError: the issuer or an audience is missing or no text, or no clock differs by that much.
    """

    issuer: str
    audience: str | Sequence[str]
    leeway_s: float = 5.0
    needs_sid: bool = False

    def __post_init__(self) -> None:
        if not _is_text(self.issuer):
            raise ValueError("issuer must name who issues the tokens")
        if not self.audience or not self.audiences or not all(map(_is_text, self.audiences)):
            raise ValueError("audience must name this resource")
        if not 0 <= self.leeway_s < math.inf:  # with another, nan included, no token would ever expire
            raise ValueError(f"leeway_s must be seconds, 0 or more, not {self.leeway_s}")

    @property
    def audiences(self) -> tuple[str, ...]:
        """Each name of this resource."""
        return (self.audience,) if isinstance(self.audience, str) else tuple(self.audience)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


class Verifier:
    """Turns an access token into claims, or refuses it.

    A token that was verified is remembered: one used again is found by its whole text, and costs what can have
    changed since: its expiry, and whether its session was revoked. Far more are remembered in little memory each,
    and found by their signature. A new key set forgets every one.

    Only tokens with a good signature are remembered, so nobody without one can push others out.

    Args:
        clock: seconds since the epoch.
        monotonic: the clock of the follower that keeps *revoked* up to date.
        revoked: the revoked sessions, looked at on every call.
        cache_mib: MiB for what is remembered of verified tokens.

    Source: RFC 9068 §4; RFC 8725 §3.
    """

    def __init__(
        self,
        policy: ValidationPolicy,
        *,
        revoked: RevokedSessions | None = None,
        cache_mib: float = CACHE_MIB,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = passing_s,
    ) -> None:
        if not cache_mib > 0:
            raise ValueError(f"cache_mib must be more than 0, not {cache_mib}")
        self._policy = policy
        self._audiences = frozenset(policy.audiences)
        self._leeway_s = policy.leeway_s
        self._revoked = RevokedSessions(0) if revoked is None else revoked
        self._revoked_ids = self._revoked.ids
        self._clock, self._monotonic = clock, monotonic
        self._headers: KnownHeaders | None = None
        self._forms = KnownForms()
        # Keyed by the credentials themselves: finding them out by timing would mean hitting their keyed 64-bit hash
        # first, and to digest them, or only to cut the token out, would cost a good part of all the rest of a hit.
        self._hot: dict[str, Known] = {}
        self._remembered = VerifiedTokens(int(cache_mib * MIB))
        self._hot_hits = self._found = self._looks = 0

    def use(self, keys: KeySet) -> None:
        """Verify with *keys* from now on, and only with them."""
        self._headers = KnownHeaders(keys) if keys.keys else None
        self._forms = KnownForms()
        self._hot.clear()
        self._remembered.clear()

    @property
    def cached(self) -> int:
        """How many verified tokens are remembered now."""
        return len(self._remembered)

    @property
    def hits(self) -> int:
        """How often a token was known already."""
        return self._hot_hits + self._found

    @property
    def misses(self) -> int:
        """How often it was not: first uses, forgeries, those that were forgotten."""
        return self._looks - self._found

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
        known = self._hot.get(credentials)
        if known is None:
            known = self._look(credentials)
        else:
            self._hot_hits += 1
        exp, sid, claims = known
        if exp <= self._clock() - self._leeway_s:
            raise TokenRefused("expired", "expired since it was verified")
        if sid in self._revoked_ids:
            raise TokenRefused("revoked", "its session was revoked")
        return claims

    def _look(self, credentials: str) -> Known:
        self._looks += 1
        if not credentials.startswith(SCHEME):
            raise TokenRefused("invalid", "another scheme, or another spelling of it")
        if self._headers is None:
            raise KeysUnavailable("there is no key")
        token = credentials[len(SCHEME) :]
        header, encoded, signature = split(token)
        payload, signed = decode(encoded), decode(signature)
        number, key = self._headers.find(header)
        found = self._remembered.find(signed, payload, number)
        if found is not None:
            self._found += 1
            return self._heat(credentials, (*found, Claims(payload)))
        # Both segments are ASCII: they were decoded, or the header is one that was.
        if not key.verifies(token[: len(header) + 1 + len(encoded)].encode(), signed):
            raise TokenRefused("invalid", "wrong signature")
        known = self._judge(payload)
        if number == UNKNOWN:
            number = self._headers.remember(header, key)
        self._remembered.add(signed, payload, number, known[0], known[1])
        return known

    def _heat(self, credentials: str, known: Known) -> Known:
        """Remember a token that was used again by its whole text."""
        if len(credentials) <= HOT_CHARACTERS:
            if len(self._hot) >= HOT_TOKENS:
                del self._hot[next(iter(self._hot))]
            self._hot[credentials] = known
        return known

    def _judge(self, payload: bytes) -> Known:
        """Read the claims of a token with a good signature, and hold them to the policy."""
        known = self._forms.read(payload)
        if known is None:
            claims = self._read(payload)
            exp, iat, nbf, sid = claims.exp, claims.iat, claims.nbf or 0, claims.sid
        else:
            claims, (exp, iat, nbf, sid) = Claims(payload), known
        now, leeway = self._clock(), self._leeway_s
        if iat > now + leeway or nbf > now + leeway:
            raise TokenRefused("invalid", "not valid yet")
        if exp <= now - leeway:
            raise TokenRefused("expired", "expired")
        return exp, sid, claims

    def _read(self, payload: bytes) -> Claims:
        try:
            members = read_object(payload)
        except ValueError:
            raise TokenRefused("invalid", "claims are not a JSON object") from None
        claims = read_claims(members, payload)
        if claims.iss != self._policy.issuer:
            is_near = claims.iss.rstrip("/") == self._policy.issuer.rstrip("/")
            raise TokenRefused("invalid", "another issuer" + (", by a slash at the end" if is_near else ""))
        if self._audiences.isdisjoint(claims.aud):
            raise TokenRefused("invalid", "another audience")
        if claims.sid is None and self._policy.needs_sid:
            raise TokenRefused("invalid", "no session, by which it could be revoked")
        self._forms.remember(members)
        return claims
