"""The tokens that were verified, remembered in little memory. No I/O."""

import hashlib
from collections import deque

LONGEST_KEY_BYTES = 64
"""Of a signature that is a key itself; of a longer one, as of RSA, it is the digest."""
ENTRY_BYTES = 320
"""What an entry takes beside its texts: five objects, a place in the dictionary, and one in the order."""


_Entry = tuple[bytes, float, str | None, int, bool]
"""Payload, ``exp``, ``sid``, the number of the header, and whether it was found since it was last spared."""


class VerifiedTokens:
    """Finds a token by its signature, and compares all the rest of it.

    The texts of a token are kept once, decoded, as bytes: the garbage collector need not look at an entry. When there
    is no room, the oldest is forgotten, unless it was found since: then it goes to the end of the order, once.

    Args:
        limit_bytes: what all entries may take together.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._entries: dict[bytes, _Entry] = {}
        self._order: deque[bytes] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def clear(self) -> None:
        """Forget all of them."""
        self._entries, self._order, self._bytes = {}, deque(), 0

    def find(self, signature: bytes, payload: bytes, header: int) -> tuple[float, str | None] | None:
        """Return ``exp`` and ``sid`` of a token that was verified with just this signature, payload and header."""
        key = _key(signature)
        entry = self._entries.get(key)
        if entry is None or entry[0] != payload or entry[3] != header:
            return None
        if not entry[4]:
            self._entries[key] = (*entry[:4], True)
        return entry[1], entry[2]

    def add(self, signature: bytes, payload: bytes, header: int, exp: float, sid: str | None) -> None:
        """Remember a token, and forget others for it."""
        key = _key(signature)
        if key not in self._entries:
            self._order.append(key)
            self._bytes += _size(key, payload, sid)
            self._entries[key] = (payload, exp, sid, header, False)
            if self._bytes > self._limit_bytes:
                self._make_room()

    def _make_room(self) -> None:
        while self._bytes > self._limit_bytes:
            key = self._order.popleft()
            entry = self._entries[key]
            if entry[4]:
                self._entries[key] = (*entry[:4], False)
                self._order.append(key)
            else:
                del self._entries[key]
                self._bytes -= _size(key, entry[0], entry[2])


def _key(signature: bytes) -> bytes:
    return signature if len(signature) <= LONGEST_KEY_BYTES else hashlib.sha256(signature).digest()


def _size(key: bytes, payload: bytes, sid: str | None) -> int:
    return ENTRY_BYTES + len(key) + len(payload) + len(sid or "")
