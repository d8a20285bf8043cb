"""A JWK Set in a file."""

import asyncio
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..errors import KeySetRefused
from ..verification.jwk_set import KeySet, parse_jwk_set

KEY_SET_LIMIT = 64 * 1024
"""Bytes of a key set, at most."""


class KeyFile:
    """Reads the file anew at every look: it is small, and neither its time nor its size tells that it changed.

    It reads in a thread of its own: in the loop's, a look would wait for all that the application around does there.
    """

    local = True
    interval_s = 1.0

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self.name = str(path)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="key-file")

    async def fetch(self) -> KeySet:
        """Read the set.

        Raises:
            KeySetRefused: the file is missing, unreadable or malformed, or holds secrets that others may read.
        """
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._read)

    def _read(self) -> KeySet:
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                data = file.read(KEY_SET_LIMIT + 1)
        except OSError as error:
            raise KeySetRefused(f"key file {self.name}: {error.strerror}") from None
        if len(data) > KEY_SET_LIMIT:
            raise KeySetRefused(f"key file {self.name}: larger than {KEY_SET_LIMIT} bytes")
        try:
            keys = parse_jwk_set(data)
        except KeySetRefused as error:
            raise KeySetRefused(f"key file {self.name}: {error}") from None
        if keys.secret and os.name == "posix" and _is_open_to_others(status):
            mode = stat.S_IMODE(status.st_mode)
            raise KeySetRefused(f"key file {self.name}: others may use the secrets in it (mode {mode:04o}, not 0600)")
        return keys


def _is_open_to_others(status: os.stat_result) -> bool:
    """Whether anybody but its owner may use a file; a group may read one that root or this process owns.

    Kubernetes mounts secrets so: root owns them, and the group of the pod reads them.
    """
    forbidden = stat.S_IRWXG | stat.S_IRWXO
    if status.st_uid in (0, os.geteuid()):
        forbidden &= ~stat.S_IRGRP
    return bool(status.st_mode & forbidden)
