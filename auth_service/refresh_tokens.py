"""Refresh tokens: a session id and a generation under a MAC. No I/O.

``dtr1_`` + base64url(key id 6 B ‖ session id 16 B ‖ generation 4 B, big-endian ‖ HMAC-SHA-256 truncated to 16 B).

The 42 bytes fill 56 characters exactly, so that there is one spelling of each token and no padding. A token is
deterministic in (session, generation, key): the same successor can be made again without having been stored. The MAC
covers the prefix and the key id, and is checked before any database work (truncation: RFC 2104 §5).
"""

import hashlib
import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from auth_service.errors import InvalidGrant, Reason
from auth_service.models import decode_session_id, encode_session_id

PREFIX = "dtr1_"
KEY_ID_BYTES = 6
MAC_BYTES = 16
_SHAPE = re.compile(r"dtr1_[A-Za-z0-9_-]{56}", re.ASCII)
_BODY = struct.Struct(f">{KEY_ID_BYTES}s16sI")


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
        self._macs = {key.id: _Mac(key.secret) for key in keys}

    def encode(self, session_id: str, generation: int) -> str:
        """Return the token of *generation* (0 to 2**32 - 1) of a session."""
        body = _BODY.pack(self._signing_id, decode_session_id(session_id), generation)
        return PREFIX + urlsafe_b64encode(body + self._macs[self._signing_id].of(body)).decode()

    def decode(self, token: str) -> tuple[str, int]:
        """Return the session id and the generation that *token* presents.

        Raises:
            InvalidGrant: ``malformed``, for whatever this service did not issue under a key that it still holds.
        """
        if not _SHAPE.fullmatch(token):
            raise InvalidGrant(Reason.MALFORMED)
        raw = urlsafe_b64decode(token[len(PREFIX) :])
        body, mac = raw[: _BODY.size], raw[_BODY.size :]
        key_id, session_id, generation = _BODY.unpack(body)
        expected = self._macs.get(key_id)
        if expected is None or not hmac.compare_digest(mac, expected.of(body)):
            raise InvalidGrant(Reason.MALFORMED)
        return encode_session_id(session_id), generation


class _Mac:
    """HMAC-SHA-256 under one key, which is set up once.

    ``hmac.digest`` would do it in one call, but gives up the interpreter's lock in it: with a database thread waiting
    for the lock, each token would cost a change of threads.
    """

    def __init__(self, secret: bytes) -> None:
        self._keyed = hmac.new(secret, PREFIX.encode(), hashlib.sha256)

    def of(self, body: bytes) -> bytes:
        """Return the truncated MAC of *body*."""
        mac = self._keyed.copy()
        mac.update(body)
        return mac.digest()[:MAC_BYTES]
