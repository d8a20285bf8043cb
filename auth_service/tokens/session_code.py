"""Session codes: what a page exchanges once for a session that its backend has asked for. No I/O.

``dtc1_`` + base64url(key id 6 B ‖ nonce 12 B ‖ AES-256-GCM). A code travels in an address, so that it is encrypted: it
tells nobody whose it is. Nothing is stored before it is exchanged; every replica that holds the keys reads it.

Source: RFC 5116 §5.2 (AES-GCM).
"""

import hmac
import secrets
from collections.abc import Sequence
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from jwt.utils import base64url_decode, base64url_encode
from pydantic_core import from_json, to_json

from ..grant_errors import CodeProblem, InvalidSessionCode
from .refresh import KEY_ID_BYTES, RefreshKey

PREFIX = "dtc1_"
MAX_CHARACTERS = 4096
_NONCE_BYTES = 12
_LABEL = b"dualtoken session code"


class SessionCode(NamedTuple):
    """What a code says. Times in milliseconds since the epoch, but ``auth_time`` in seconds.

    ``session_id`` is that of the session that it will open, ``hash_digest`` that of the password hash that the user has
    when the code is made (``digest_of_hash``), or None.
    """

    session_id: str
    sub: str
    scope: str | None
    amr: tuple[str, ...]
    auth_time: int
    origin: str
    expires_at: int
    hash_digest: str | None


class SealedCodes:
    """Makes and reads codes. The first key seals, all open; they are made of the keys of refresh tokens."""

    def __init__(self, keys: Sequence[RefreshKey]) -> None:
        self._sealing_id = keys[0].id
        self._ciphers = {key.id: AESGCM(hmac.digest(key.secret, _LABEL, "sha256")) for key in keys}

    def seal(self, code: SessionCode) -> str:
        """Return the code as it travels."""
        nonce, text = secrets.token_bytes(_NONCE_BYTES), to_json(code)
        sealed = self._ciphers[self._sealing_id].encrypt(nonce, text, PREFIX.encode())
        return PREFIX + base64url_encode(self._sealing_id + nonce + sealed).decode()

    def open(self, text: str) -> SessionCode:
        """Return what a code says.

        Raises:
            InvalidSessionCode: this service has not made it, under a key that it still holds.
        """
        if not text.startswith(PREFIX) or len(text) > MAX_CHARACTERS or not text.isascii():
            raise InvalidSessionCode(CodeProblem.MALFORMED)
        try:
            raw = base64url_decode(text[len(PREFIX) :])
            key_id, nonce, sealed = raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:][:_NONCE_BYTES], raw[KEY_ID_BYTES:]
            opened = self._ciphers[key_id].decrypt(nonce, sealed[_NONCE_BYTES:], PREFIX.encode())
        except (ValueError, KeyError, InvalidTag):
            raise InvalidSessionCode(CodeProblem.MALFORMED) from None
        session_id, sub, scope, amr, *rest = from_json(opened)
        return SessionCode(session_id, sub, scope, tuple(amr), *rest)
