"""The tokens of a session: whose one is, and the pair that an answer grants."""

import math
from typing import Any

from ..domain.clock import Clock
from ..domain.models import Session
from ..domain.scopes import narrowed
from ..errors import InvalidGrant, InvalidToken
from ..keys.watcher import WatchedKeys
from ..tokens.access import AccessTokens
from ..tokens.refresh import RefreshTokens
from .session_terms import Granted, Lifetimes


class SessionTokens:
    """Reads and makes the tokens of sessions, by the keys of this moment. It asks no database.

    Attributes:
        clock: this machine's: access tokens tell its time to machines that may know no other.
    """

    def __init__(
        self,
        access: WatchedKeys[AccessTokens],
        refresh: WatchedKeys[RefreshTokens],
        lifetimes: Lifetimes,
        clock: Clock,
    ) -> None:
        self._access, self._refresh = access, refresh
        self._lifetimes, self.clock = lifetimes, clock

    def grant(
        self, session: Session, generation: int, now: int, limit: str | None = None, *, issued_at: int | None = None
    ) -> Granted:
        """Return a pair of tokens; the access token for no more than the scope *limit*, if there is one.

        *now* is what the database's clock says; *issued_at* what this machine's does, where it is known.
        """
        access, scope = self._access.current, narrowed(session.scope, limit)
        left = min(session.rotated_at + self._lifetimes.policy.refresh_ttl, session.expires_at) - now
        return Granted(
            user=session.user,
            scope=scope,
            access_token=access.mint(session, self.clock() if issued_at is None else issued_at, scope=scope),
            expires_in=access.ttl_s,
            refresh_token=self._refresh.current.encode(session.id, generation),
            refresh_expires_in=max(0, math.ceil(left / 1000)),
            bound=session.jkt is not None,
        )

    def read_refresh_token(self, refresh_token: str) -> tuple[str, int]:
        """Return the session of a refresh token, and its generation.

        Raises:
            InvalidGrant: this installation did not make it, or no longer has the key.
        """
        return self._refresh.read(lambda keys: keys.decode(refresh_token), InvalidGrant)

    def has_issued(self, refresh_token: str) -> bool:
        """Whether this installation made the token, by a key that it still has; the session may have ended."""
        try:
            self.read_refresh_token(refresh_token)
        except InvalidGrant:
            return False
        return True

    def session_of(self, token: str) -> tuple[str | None, int | None]:
        """Return the session of either token, of a refresh token the generation, too; None for any other text."""
        try:
            return self.read_refresh_token(token)
        except InvalidGrant:
            pass
        try:
            return self.read_access_token(token)["sid"], None
        except InvalidToken:
            return None, None

    def read_access_token(self, token: str) -> dict[str, Any]:
        """Return the claims of an access token of this service that is alive. Raises: InvalidToken."""
        return self._access.read(lambda keys: keys.read(token, self.clock()), InvalidToken)
