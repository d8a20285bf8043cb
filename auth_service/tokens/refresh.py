"""Refresh tokens: a session id and a generation under a MAC. No I/O.

``dtr1_`` + base64url(key id 6 B ‖ session id 16 B ‖ generation 4 B, big-endian ‖ HMAC-SHA-256 truncated to 16 B).

The 42 bytes fill 56 characters exactly, so that there is one spelling of each token and no padding. A token is
deterministic in (session, generation, key): the same successor can be made again without having been stored. The MAC
covers the prefix and the key id, and is checked before any database work (truncation: RFC 2104 §5).
"""

import binascii
import hashlib
import hmac
import struct
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from ..domain.models import decode_session_id, encode_session_id
from ..errors import InvalidGrant, Reason
from .keyed_hmac import KeyedHmac

PREFIX = "dtr1_"
KEY_ID_BYTES = 6
MAC_BYTES = 16
_BODY = struct.Struct(f">{KEY_ID_BYTES}s16sI")
_LENGTH = len(PREFIX) + (_BODY.size + MAC_BYTES) * 4 // 3
# To the alphabet that the decoder knows (RFC 4648 §4); what stands in that one alone becomes what stands in none.
_FROM_URL_SAFE = bytes.maketrans(b"-_+/=", b"+/\0\0\0")


@dataclass(frozen=True, slots=True)
class RefreshKey:
    """A secret of at least 32 bytes, known to the auth service alone; ``kid`` as in its JWK."""

    kid: str
    secret: bytes

    @property
    def id(self) -> bytes:
        """Return the 6 bytes that stand for this key in a token."""
        return hashlib.sha256(self.kid.encode()).digest()[:KEY_ID_BYTES]


class RefreshTokens:
    """Makes and reads refresh tokens. The first key signs, all verify."""

    def __init__(self, keys: Sequence[RefreshKey]) -> None:
        if not keys:
            raise ValueError("at least one refresh key is needed")
        self._signing_id = keys[0].id
        self._macs = {key.id: KeyedHmac(key.secret, PREFIX.encode()) for key in keys}
        self._sign = self._macs[self._signing_id]

    def encode(self, session_id: str, generation: int) -> str:
        """Return the token of *generation* (0 to 2**32 - 1) of a session."""
        body = _BODY.pack(self._signing_id, decode_session_id(session_id), generation)
        return PREFIX + urlsafe_b64encode(body + self._sign(body)[:MAC_BYTES]).decode()

    def decode(self, token: str) -> tuple[str, int]:
        """Return the session id and the generation that *token* presents.

        Raises:
            InvalidGrant: ``malformed``, for whatever this service did not issue under a key that it still holds.
        """
        raw = _raw(token)
        body, mac = raw[: _BODY.size], raw[_BODY.size :]
        key_id, session_id, generation = _BODY.unpack(body)
        mac_of = self._macs.get(key_id)
        if mac_of is None or not hmac.compare_digest(mac, mac_of(body)[:MAC_BYTES]):
            raise InvalidGrant(Reason.MALFORMED)
        return encode_session_id(session_id), generation


def _raw(token: str) -> bytes:
    if len(token) != _LENGTH or not token.startswith(PREFIX) or not token.isascii():
        raise InvalidGrant(Reason.MALFORMED)
    try:
        return binascii.a2b_base64(token[len(PREFIX) :].encode().translate(_FROM_URL_SAFE), strict_mode=True)
    except binascii.Error:
        raise InvalidGrant(Reason.MALFORMED) from None
