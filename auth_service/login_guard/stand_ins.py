"""Selects the hash to verify for an unknown name, so that the time of a refusal reveals nothing.

Users who moved in have hashes that cost more or less than argon2id, each until its next log-in. If names without a user
all took the time of one kind, the others would be known to exist. So each such name follows one user of a sample of the
table: it costs what this user's hash costs, and becomes argon2id when this user's does. Which one it follows depends on
a key, so that nobody can tell.
"""

import hashlib
from bisect import bisect
from collections.abc import Callable, Iterable

from ..domain.names import normal_name

_BYTES = 8


class StandIns:
    """Chooses by the name alone: the same user, for as long as the sample has this one."""

    def __init__(self, mac: Callable[[], Callable[[bytes], bytes]]) -> None:
        """*mac* returns what makes a MAC, the same in all processes."""
        self._mac = mac
        self._places: list[bytes] = []
        self._hashes: list[str] = []

    def learn(self, sample: Iterable[tuple[str, str]]) -> None:
        """Take ids and hashes of users in the place of those known before."""
        # A ring: a user who comes or goes changes the names of this one's arc alone.
        ring = sorted((hashlib.sha256(user_id.encode()).digest()[:_BYTES], hash_) for user_id, hash_ in sample)
        self._places, self._hashes = [place for place, _ in ring], [hash_ for _, hash_ in ring]

    def hash_for(self, name: str) -> str | None:
        """Return the hash to verify for *name*; None while no user is known."""
        if not self._hashes:
            return None
        place = self._mac()(normal_name(name).encode())[:_BYTES]
        return self._hashes[bisect(self._places, place) % len(self._hashes)]
