"""Token introspection (RFC 7662), for gateways that cannot verify by themselves."""

from typing import Any

from ..domain.clock import Clock
from ..domain.models import Session
from ..domain.rotation import RotationPolicy, is_expired
from ..errors import InvalidToken
from ..store import SessionStore
from .session_tokens import SessionTokens

INACTIVE: dict[str, Any] = {"active": False}


class Introspection:
    """Looks at the session, so that a revoked token is inactive at once."""

    def __init__(
        self,
        store: SessionStore,
        tokens: SessionTokens,
        policy: RotationPolicy,
        clock: Clock,
    ) -> None:
        self._store, self._tokens, self._policy, self._clock = store, tokens, policy, clock

    async def introspect(self, token: str) -> dict[str, Any]:
        """Return the members of RFC 7662 §2.2; of an inactive token, nothing but that (§2.2, last paragraph).

        A refresh token is never active: a gateway that looks at ``active`` alone would take it for a bearer token.

        Raises:
            Unavailable: the database does not answer.
        """
        try:
            claims = self._tokens.read_access_token(token)
        except InvalidToken:
            return INACTIVE
        session = await self._live(str(claims["sid"]))
        if session is None:
            return INACTIVE
        # Of the session, whose refresh is bound; the access token is a bearer token, as token_type says (RFC 9449 §5).
        bound = {"cnf": {"jkt": session.jkt}} if session.jkt is not None else {}
        return {**claims, "active": True, "token_type": "Bearer", **bound}

    async def _live(self, session_id: str) -> Session | None:
        session = await self._store.find_session(session_id)
        if session is None or session.revoked_at is not None or session.user.disabled_at is not None:
            return None
        return None if is_expired(session, self._clock(), self._policy) else session
