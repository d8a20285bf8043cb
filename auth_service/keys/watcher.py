"""A key file, followed while the service runs."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from ..domain.jwk import Jwk
from ..errors import StartupError
from .jwk_file import read_key_file

T = TypeVar("T")
R = TypeVar("R")
Signature = tuple[int, ...]

_LOOK_INTERVAL_S = 1.0

log = structlog.get_logger(__name__)


class WatchedKeys(Generic[T]):
    """What was built from a key file, built again when the file changes.

    A file that became unreadable or wrong keeps the last good keys and says so in the log: a typing mistake of an
    operator must not stop the service. It is read again until it can be used, changed or not: what was in the way may
    have been this process, or the disk, for a moment.
    """

    def __init__(self, path: Path, build: Callable[[list[Jwk]], T]) -> None:
        """Read the file. Raises: StartupError, as ``read_key_file``."""
        self._path, self._build = path, build
        self._seen = signature_of(path)
        self.current = build(read_key_file(path))
        self._refused: Signature | None = None
        self._problem: str | None = None

    def look(self, *, insist: bool = False) -> bool:
        """Read the file again if it changed, and only then. Return whether there are new keys.

        Args:
            insist: read it as well if it could not be used the last time.
        """
        signature = signature_of(self._path)
        if signature == self._seen or (signature == self._refused and not insist):
            return False
        try:
            self.current = self._build(read_key_file(self._path))
        except Exception as exc:  # whatever a file does, the watch must outlive it
            # The text of an error that nobody foresaw could quote the key.
            self._refuse(signature, str(exc) if isinstance(exc, StartupError) else type(exc).__name__)
            return False
        self._seen, self._refused, self._problem = signature, None, None
        log.info("keys.reloaded", file=str(self._path))
        return True

    def _refuse(self, signature: Signature, problem: str) -> None:
        self._refused = signature
        if problem != self._problem:
            self._problem = problem
            log.error("keys.reload_failed", problem=problem)

    def read(self, how: Callable[[T], R], refusal: type[Exception]) -> R:
        """Return ``how(current)``; where that raises *refusal*, once more with new keys if there are any.

        Another process may sign with a key since a moment ago. Looking is one ``stat``, whatever is presented.
        """
        try:
            return how(self.current)
        except refusal:
            if not self.look():
                raise
        return how(self.current)

    async def watch(self) -> None:
        """Look once a second, for ever."""
        while True:
            await asyncio.sleep(_LOOK_INTERVAL_S)
            self.look(insist=True)


def signature_of(path: Path) -> Signature:
    """Return what changes with the file and with the right to read it; empty without a file."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_mode
