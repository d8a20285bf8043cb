"""The revoked sessions that a verifier must know of. No I/O."""

from collections.abc import KeysView


class RevokedSessions:
    """Session ids, each for as long as an access token issued before its revocation can live.

    Counted from when this process heard of it, on its own monotonic clock: no difference between the clocks of two
    machines can make an entry leave too early. Memory is bounded by the life of an access token times the rate of
    revocations.

    Args:
        retention_s: seconds that an access token can be used for, leeway included.
    """

    def __init__(self, retention_s: float) -> None:
        self.retention_s = retention_s
        self._heard: dict[str, float] = {}

    @property
    def ids(self) -> KeysView[str]:
        """A live view: looking a session up in it is one dictionary look-up."""
        return self._heard.keys()

    def add(self, sid: str, now: float) -> None:
        """Refuse *sid* from now on. Hearing of it again changes nothing: no token was issued after the first time."""
        self._heard.setdefault(sid, now)

    def prune(self, now: float) -> None:
        """Forget what no living token can name."""
        oldest = now - self.retention_s
        gone = []
        for sid, heard in self._heard.items():  # in the order of hearing
            if heard > oldest:
                break
            gone.append(sid)
        for sid in gone:
            del self._heard[sid]
