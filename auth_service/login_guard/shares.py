"""Shares of the hashing queue, so that no user, network or crowd of guessers can fill it."""

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from typing import NamedTuple

from ..errors import Busy

_OF_A_USER = 4
_OF_A_NETWORK = 2
_OF_SUSPECTS = 2


class Asker(NamedTuple):
    """For whom a password is hashed.

    Attributes:
        username: in the form in which names are stored.
        network: an address of IPv4, or a /64 of IPv6.
        is_suspect: several wrong passwords came from this network a moment ago.
        site: the /48 of IPv6; nothing for IPv4.
    """

    username: str
    network: str
    is_suspect: bool = False
    site: str = ""


class Shares:
    """At most *places* are taken: a quarter by one user, a half by one network or site, a half by all suspects."""

    def __init__(self, places: int) -> None:
        self._places = places
        self.on_change: Callable[[int], None] = lambda _taken: None
        """Called with each new number of taken places, in the thread that changed it."""
        self._lock = threading.Lock()
        self._taken: Counter[Hashable] = Counter()

    @property
    def taken(self) -> int:
        """How many places are taken."""
        return self._taken[None]

    def require_room(self, asker: Asker | None) -> None:
        """Return if there is a place for *asker* now. Raises: Busy."""
        for share, most in self._shares(asker):
            if self._taken[share] >= most:
                raise Busy(f"{self._taken[share]} of {most} places are taken")

    def take(self, asker: Asker | None) -> "Place":
        """Take a place; only the event loop's thread may call this. Raises: Busy."""
        self.require_room(asker)
        self._change(asker, 1)
        return Place(lambda: self._change(asker, -1), partial(self._weight, asker))

    def _weight(self, asker: Asker | None) -> int:
        """Return the most of what the user has taken, the network, its site, and all suspects, if it is one."""
        if asker is None:
            return 1  # the team's own backend
        return max(self._taken[share] for share, _most in self._shares(asker) if share is not None)

    def _shares(self, asker: Asker | None) -> Iterator[tuple[Hashable, int]]:
        yield None, self._places
        if asker is not None:
            yield ("user", asker.username), max(1, self._places // _OF_A_USER)
            yield ("network", asker.network), max(1, self._places // _OF_A_NETWORK)
            if asker.site:
                yield ("network", asker.site), max(1, self._places // _OF_A_NETWORK)
            if asker.is_suspect:
                yield "suspects", max(1, self._places // _OF_SUSPECTS)

    def _change(self, asker: Asker | None, number: int) -> None:
        with self._lock:
            for share, _most in self._shares(asker):
                self._taken[share] += number
                if not self._taken[share]:
                    del self._taken[share]
            self.on_change(self.taken)


class Place:
    """One place: taken until its caller and every thread that computes for it have let go."""

    def __init__(self, give_back: Callable[[], None], weight: Callable[[], int]) -> None:
        """*weight* returns how much of the queue is taken by those for whom this place was."""
        self._give_back, self.weight = give_back, weight
        self._lock = threading.Lock()
        self._holders = 1

    def hold(self) -> None:
        """One holder more."""
        with self._lock:
            self._holders += 1

    def let_go(self, _future: object = None) -> None:
        """One holder less; may be called by any thread."""
        with self._lock:
            self._holders -= 1
            if self._holders:
                return
        self._give_back()
