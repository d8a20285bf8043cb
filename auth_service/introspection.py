"""Token introspection (RFC 7662), for gateways that cannot verify by themselves."""

from typing import Any

from auth_service.access_tokens import CLIENT_ID, AccessTokens
from auth_service.errors import InvalidGrant, InvalidToken
from auth_service.models import Session
from auth_service.refresh_tokens import RefreshTokens
from auth_service.rotation import Policy, is_expired
from auth_service.sessions import Clock
from auth_service.store import SessionStore
from auth_service.watched_keys import WatchedKeys

INACTIVE: dict[str, Any] = {"active": False}


class Introspection:
    """Looks at the session, so that a revoked token is inactive at once."""

    def __init__(
        self,
        store: SessionStore,
        access: WatchedKeys[AccessTokens],
        refresh: WatchedKeys[RefreshTokens],
        policy: Policy,
        clock: Clock,
    ) -> None:
        self._store, self._access, self._refresh = store, access, refresh
        self._policy, self._clock = policy, clock

    async def introspect(self, token: str) -> dict[str, Any]:
        """Return the members of RFC 7662 §2.2; of an inactive token, nothing but that (§2.2, last paragraph).

        Raises:
            Unavailable: the database does not answer.
        """
        try:
            claims = self._access.read(lambda keys: keys.read_all(token, self._clock()), InvalidToken)
        except InvalidToken:
            return await self._introspect_refresh(token)
        if await self._live(str(claims["sid"])) is None:
            return INACTIVE
        return {"active": True, "token_type": "Bearer", **claims}

    async def _introspect_refresh(self, token: str) -> dict[str, Any]:
        try:
            session_id, generation = self._refresh.read(lambda keys: keys.decode(token), InvalidGrant)
        except InvalidGrant:
            return INACTIVE
        session = await self._live(session_id)
        if session is None or generation != session.generation:
            return INACTIVE
        expires = min(session.expires_at, session.rotated_at + self._policy.refresh_ttl)
        return {
            "active": True,
            "client_id": CLIENT_ID,
            "username": session.user.username,
            "scope": session.user.scope,
            "sub": session.user.id,
            "sid": session.id,
            "exp": expires // 1000,
        }

    async def _live(self, session_id: str) -> Session | None:
        session = await self._store.find_session(session_id)
        if session is None or session.revoked_at is not None or session.user.disabled_at is not None:
            return None
        return None if is_expired(session, self._clock(), self._policy) else session
