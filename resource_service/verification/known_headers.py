"""Which key a token's header names. The header of one issuer and key is the same text in each token."""

from typing import Any

from ..errors import TokenRefused, UnknownKey
from .jwk_set import KeySet, VerificationKey
from .jws import read_header

TOKEN_TYPES = frozenset({"at+jwt", "application/at+jwt"})
"""The media type of an access token and its short form, in lower case (RFC 9068 §2.1 and §4)."""
MOST_HEADERS = 64
"""That are remembered: an issuer may put into each what is another's in the next."""
UNKNOWN = -1
"""The number of a header that was not seen with a good signature yet."""


class KnownHeaders:
    """The headers of tokens that were verified with one key set: compared, not read again."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys.keys
        self._known: dict[str, tuple[int, VerificationKey]] = {}
        self._number = UNKNOWN

    def find(self, segment: str) -> tuple[int, VerificationKey]:
        """Return the number of a header, and the key that it names.

        Raises:
            UnknownKey: the set has no such key.
            TokenRefused: it is no header of an access token, or does not fit its key.
        """
        known = self._known.get(segment)
        return (UNKNOWN, self._key_of(read_header(segment))) if known is None else known

    def remember(self, segment: str, key: VerificationKey) -> int:
        """Give a header that came with a good signature a number of its own, and return it."""
        known = self._known.get(segment)
        if known is None:
            if len(self._known) >= MOST_HEADERS:
                self._known.clear()
            # Never one again that an earlier header had: tokens are remembered by it.
            self._number += 1
            known = self._known[segment] = self._number, key
        return known[0]

    def _key_of(self, header: dict[str, Any]) -> VerificationKey:
        kid, typ, alg = header.get("kid"), header.get("typ"), header.get("alg")
        if not isinstance(kid, str):
            raise TokenRefused("invalid", "no kid")
        if not isinstance(typ, str) or typ.lower() not in TOKEN_TYPES:
            raise TokenRefused("invalid", "not an access token: wrong typ")
        key = self._keys.get(kid)
        if key is None:
            raise UnknownKey
        if not isinstance(alg, str) or alg not in key.algs:
            raise TokenRefused("invalid", "not the algorithm of its key")
        return key
