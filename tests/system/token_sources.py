"""The real client among the honest ones: a ``TokenSource`` that is made to refresh again and again."""

import asyncio

from dualtoken.client import LoginRequired, RefreshRejected, RefreshUnavailable, TokenSource
from tests.system.history import History, Settled
from tests.system.honest import TurnedAway

_PAUSE_S = 0.1


class RealClient:
    """A token source; resource servers are taken to refuse each access token at once."""

    def __init__(self, name: str, source: TokenSource, history: History, *, bound: bool) -> None:
        self.name, self.turned_away = name, False
        self._source, self._history = source, history
        if bound:
            history.bound.add(name)

    async def log_in(self, username: str, password: str) -> None:
        """Log in; the chain begins with the refresh token of the answer."""
        self._history.first[self.name] = (await self._source.login(username, password)).refresh_token

    async def refresh(self) -> None:
        """Refresh until it is answered.

        Raises:
            TurnedAway: and the history says so.
        """
        self._history.rotated(*await self._refreshed())

    async def settle(self) -> None:
        """Refresh once more in calm."""
        self._history.events.append(Settled(self.name, *await self._refreshed()))

    async def _refreshed(self) -> tuple[str, str]:
        """Return the token presented, and its successor."""
        before = self._source.current
        assert before is not None
        while True:
            try:
                await self._source.token(rejected=before.access_token)
            except RefreshUnavailable:
                self._history.counts["retries"] += 1
                await asyncio.sleep(_PAUSE_S)
            except (LoginRequired, RefreshRejected) as exc:
                self.turned_away = True
                self._history.refused(self.name, before.refresh_token, str(exc))
                raise TurnedAway(str(exc)) from None
            else:
                break
        after = self._source.current
        assert after is not None
        return before.refresh_token, after.refresh_token

    async def aclose(self) -> None:
        """Close the source."""
        await self._source.aclose()
