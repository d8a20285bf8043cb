"""A JWK Set in a file."""

import asyncio
import os
import stat
from pathlib import Path

from resource_service.errors import KeySetRefused
from resource_service.jwk_set import KeySet, parse_jwk_set

KEY_SET_LIMIT = 64 * 1024
"""Bytes of a key set, at most."""


class KeyFile:
    """Reads the file anew at every look: it is small, and neither its time nor its size tells that it changed."""

    local = True
    interval_s = 1.0

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self.name = str(path)

    async def fetch(self) -> KeySet:
        """Read the set.

        Raises:
            KeySetRefused: the file is missing, unreadable or malformed, or holds secrets that others may read.
        """
        return await asyncio.to_thread(self._read)

    def _read(self) -> KeySet:
        try:
            with self._path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                data = file.read(KEY_SET_LIMIT + 1)
        except OSError as error:
            raise KeySetRefused(f"key file {self.name}: {error.strerror}") from None
        if len(data) > KEY_SET_LIMIT:
            raise KeySetRefused(f"key file {self.name}: larger than {KEY_SET_LIMIT} bytes")
        try:
            keys = parse_jwk_set(data)
        except KeySetRefused as error:
            raise KeySetRefused(f"key file {self.name}: {error}") from None
        if keys.secret and os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            mode = stat.S_IMODE(mode)
            raise KeySetRefused(f"key file {self.name}: others may use the secrets in it (mode {mode:04o}, not 0600)")
        return keys
