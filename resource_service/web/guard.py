"""The guard of an application with access tokens, for any framework."""

import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import structlog

from ..authenticator import DEFAULT_FEED_POLICY, Authenticator, FeedPolicy
from ..errors import CredentialsMissing, ResourceError, TokenRefused, UnknownKey
from ..keys.in_memory import InMemory
from ..keys.jwks_url import JwksUrl
from ..keys.key_file import KeyFile
from ..keys.refresher import KeySource
from ..lifetimes import Lifetime
from ..revocation.feed_client import RevocationFeed
from ..verification.claims import Claims
from ..verification.jwk_set import KeySet
from ..verification.verifier import CACHE_MIB, SCHEME, ValidationPolicy
from .challenge import Refusal, refusal
from .protected_resource import ProtectedResource

# Of `logging`, as those of every module that a mounted guard uses: the application around need not know structlog,
# whose loggers print each line on standard output unless they are told otherwise.
log = structlog.wrap_logger(logging.getLogger(__name__))

OUTCOMES = ("accepted", "missing", "expired", "revoked", "invalid", "insufficient_scope", "unavailable")
"""What can become of a request whose token is looked at."""


class Guard:
    """Judges the credentials of requests.

    Args:
        issuer: the ``iss`` that is believed.
        audience: the name of this resource, or its names: a token's ``aud`` must contain one.
        keys: the path of a JWK Set file, watched for changes; or a JWK Set itself, as for tests; or else
        jwks_url: the URL of the issuer's public keys, fetched in the background.
        revocations_url: the URL of the issuer's revocation feed, with the ``service_secret`` that it asks for. Without
            it a token is honoured until it expires, and need not name its session.
        service_secret: the secret, or the ``Path`` of its file, which is read anew when it is shown. Of several values,
            one a line, the first is shown.
        feed_policy: how far the feed counts.
        leeway_s: seconds by which the issuer's clock may differ.
        cache_mib: MiB for what is remembered of verified tokens.
        realm: names the protection space in challenges; the first audience, unless given.
        clock: seconds since the epoch.

    Raises:
        ValueError: an argument is missing, superfluous or malformed; the text names it.

    Source: RFC 6750; RFC 9068 §4.
    """

    cure: ClassVar[str]
    """What its user has to do so that it starts with the application."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str | Sequence[str],
        keys: str | Path | Mapping[str, Any] | KeySet | None = None,
        jwks_url: str | None = None,
        revocations_url: str | None = None,
        service_secret: str | Path | None = None,
        feed_policy: FeedPolicy = DEFAULT_FEED_POLICY,
        leeway_s: float = 5.0,
        cache_mib: float = CACHE_MIB,
        realm: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        policy = ValidationPolicy(issuer, audience, leeway_s)
        self.resource = ProtectedResource(policy.audiences[0], issuer, realm)
        self.authenticator = Authenticator(
            policy,
            _key_source(keys, jwks_url),
            feed=_feed(revocations_url, service_secret),
            feed_policy=feed_policy,
            cache_mib=cache_mib,
            clock=clock,
        )
        self._counts = dict.fromkeys(OUTCOMES, 0)

    @property
    def outcomes(self) -> dict[str, int]:
        """How many requests ended how."""
        # Whether a token is enough is known only after it was accepted.
        return self._counts | {"accepted": self._counts["accepted"] - self._counts["insufficient_scope"]}

    async def insist(self, values: Sequence[str], error: ResourceError) -> Claims:
        """Judge once more, with time for it, a request whose ``Authorization`` headers *values* met *error*.

        Raises:
            ResourceError: the verdict.
            RuntimeError: nothing keeps the keys current, so that there is none.
        """
        if not self.authenticator.is_running:
            raise RuntimeError(
                f"{type(self).__name__}: its keys are neither loaded nor kept current, since it was not started with "
                f"the application, or has ended: {self.cure}"
            )
        credentials = respelled(only(values))
        if credentials == values[0] and not isinstance(error, UnknownKey):
            raise error
        claims = await self.authenticator.authenticate_with_newer_keys(credentials)
        self._counts["accepted"] += 1
        return claims

    def refuse(self, verdict: ResourceError) -> Refusal:
        """Make the answer to a request that is refused, and count it."""
        self._counts[verdict.outcome] += 1
        log.debug("request.refused", outcome=verdict.outcome, detail=str(verdict))
        return refusal(verdict, self.resource)

    def open_while_good(
        self, values: Sequence[str], claims: Claims | None
    ) -> contextlib.AbstractAsyncContextManager[Lifetime]:
        """Cancel the body of the context when what a request came with is not good any more, and leave it quietly.

        Args:
            values: its ``Authorization`` headers.
            claims: what they were verified to be; None for a request without a token: nothing ends for that.
        """
        if claims is None:
            return contextlib.nullcontext(Lifetime())
        return self.authenticator.lifetimes.opened_by(respelled(only(values)), claims)


def only(values: Sequence[str]) -> str:
    """Return the credentials in the *values* of a request's Authorization headers.

    Only the header counts: RFC 6750 §2.3 warns of query parameters, and OAuth 2.1 drops them and body parameters.

    Raises:
        CredentialsMissing: there are none.
        TokenRefused: there are several.
    """
    if len(values) > 1:
        # Another reader of this request might pick another one.
        raise TokenRefused("invalid", "several Authorization headers")
    if not values:
        raise CredentialsMissing
    return values[0]


def respelled(credentials: str) -> str:
    """Return *credentials* as the verifier knows them: the scheme in its own case, and one space (RFC 6750 §2.1).

    Raises:
        CredentialsMissing: they are of another scheme.
    """
    scheme, _, token = credentials.partition(" ")
    if scheme.lower() != "bearer":
        raise CredentialsMissing
    return SCHEME + token.lstrip(" ").rstrip(" \t")  # some servers leave the blanks behind a header (RFC 9110 §5.5)


def _key_source(keys: str | Path | Mapping[str, Any] | KeySet | None, jwks_url: str | None) -> KeySource:
    if isinstance(keys, str) and keys.lstrip().startswith(("{", "[")):
        raise ValueError(
            "keys: a text names a file; hand over a JWK Set as json.loads() reads it"
        )  # not quoted: secrets
    if keys is not None and jwks_url is None:
        return KeyFile(keys) if isinstance(keys, str | Path) else InMemory(keys)
    if jwks_url is not None and keys is None:
        return JwksUrl(jwks_url)
    raise ValueError("exactly one of keys and jwks_url is needed")


def _feed(revocations_url: str | None, service_secret: str | Path | None) -> RevocationFeed | None:
    if revocations_url is None:
        return None
    if not service_secret:
        raise ValueError("revocations_url needs a service_secret")
    return RevocationFeed(revocations_url, service_secret)
