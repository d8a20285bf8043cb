"""Limits how long a WebSocket or stream of events opened with a token may stay open."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from .errors import ResourceError
from .verification.claims import Claims

LOOK_AT_LEAST_S = 60.0
"""Seconds between two looks at one token, at most: a wall clock may have been set meanwhile."""
_PAST_S = 0.01
"""Seconds past a bound after which a look finds it passed."""
_APART_S = 0.0005
"""Seconds between the looks at two tokens when the keys changed: each may check a signature."""


class Lifetime:
    """What one token opened.

    Args:
        judge: return the seconds until the token may not be good any more; raise its refusal once it is not.

    Attributes:
        ended: why it had to end: ``expired``, ``revoked``, ``invalid`` (its key is gone), or ``unavailable`` (it is
            unknown by now who is revoked); None while it need not.
    """

    def __init__(self, judge: Callable[[], float] = lambda: LOOK_AT_LEAST_S) -> None:
        self.ended: str | None = None
        self._judge = judge
        self._timer: asyncio.TimerHandle | None = None
        self._scope = asyncio.timeout(None)

    def look(self) -> None:
        """Judge the token as if it came with a request now; end what it opened if that would be refused."""
        self.look_no_more()
        try:
            remaining_s = self._judge()
        except ResourceError as verdict:
            self.ended = verdict.outcome
            self._scope.reschedule(asyncio.get_running_loop().time())
        else:
            self.look_in(min(remaining_s + _PAST_S, LOOK_AT_LEAST_S))

    def look_in(self, delay_s: float) -> None:
        """Look that many seconds from now, and not before unless somebody asks."""
        self.look_no_more()
        self._timer = asyncio.get_running_loop().call_later(delay_s, self.look)

    def look_no_more(self) -> None:
        """Forget the next look."""
        if self._timer is not None:
            self._timer.cancel()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Cancel the body of the context at the end, and leave the context without an error."""
        try:
            async with self._scope:
                self.look()
                yield
        except TimeoutError:
            if not self._scope.expired():
                raise
        finally:
            self.look_no_more()


class Lifetimes:
    """All that is open in one process, found by session when one is revoked.

    Args:
        judge: verify credentials as a request's would be.
        remaining_s: seconds until a good token may not be one any more.
    """

    def __init__(self, judge: Callable[[str], Claims], remaining_s: Callable[[Claims], float]) -> None:
        self._judge, self._remaining_s = judge, remaining_s
        self._open: dict[str | None, set[Lifetime]] = {}

    def revoked(self, sid: str) -> None:
        """End what tokens of a session have opened."""
        for lifetime in tuple(self._open.get(sid, ())):
            lifetime.look()

    def keys_changed(self) -> None:
        """Look at all of them, one after the other."""
        for number, lifetime in enumerate(each for group in self._open.values() for each in group):
            lifetime.look_in(number * _APART_S)

    @contextlib.asynccontextmanager
    async def opened_by(self, credentials: str, claims: Claims) -> AsyncIterator[Lifetime]:
        """End the body of the context when *credentials*, that were verified to be *claims*, are not good any more."""
        lifetime = Lifetime(lambda: self._remaining_s(self._judge(credentials)))
        of_session = self._open.setdefault(claims.sid, set())
        of_session.add(lifetime)
        try:
            async with lifetime.running():
                yield lifetime
        finally:
            of_session.remove(lifetime)
            if not of_session:
                self._open.pop(claims.sid, None)
