"""Lines for a descriptor whose reader may stall: no logging caller waits for it."""

import atexit
import contextlib
import os
import select
import threading
from collections import deque
from time import monotonic

import structlog

log = structlog.get_logger(__name__)

_MOST_BYTES = 4 * 1024 * 1024
"""What may wait to be written; thousands of lines. What comes beyond it is counted and dropped."""
_LAST_LINES_S = 3.0
"""Seconds without a line leaving after which a process that ends waits for its reader no longer."""
_ENDING_S = 30.0
"""Seconds that it waits in all: as long as orchestrators do before they kill."""


class LineWriter:
    """A text stream: what is written to it is written to *descriptor* by a thread of its own, line by line.

    Each line is one call of the system, so that the lines of several workers on one pipe do not mix.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._begin()
        if hasattr(os, "register_at_fork"):
            # A fork has no thread but its own; what waits here is the first process's to write.
            os.register_at_fork(after_in_child=self._begin)
        atexit.register(self._drain)

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._lines: deque[bytes] = deque()
        self._waiting = self._dropped = 0  # bytes; lines
        self._thread: threading.Thread | None = None

    def write(self, text: str) -> None:
        """Hand *text* to the thread, or drop it: in no case wait."""
        line = text.encode(errors="backslashreplace")
        with self._changed:
            if self._waiting + len(line) > _MOST_BYTES:
                self._dropped += 1
                return
            self._lines.append(line)
            self._waiting += len(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self) -> None:
        """Do nothing: lines leave by themselves."""

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines)
                line = self._lines.popleft()
            self._send(line)
            with self._changed:
                self._waiting -= len(line)
                dropped = 0 if self._lines else self._dropped
                self._changed.notify_all()
            if dropped:
                log.error("log.dropped", count=dropped)  # a line as any other: there is room now
                with self._changed:
                    self._dropped -= dropped
                    self._changed.notify_all()

    def _send(self, line: bytes) -> None:
        # A full disk, or a reader that has gone: the line is lost, and no request fails by its log.
        with contextlib.suppress(OSError):
            while line:
                try:
                    line = line[os.write(self._descriptor, line) :]
                except BlockingIOError:  # whoever shares the descriptor has set it so
                    select.select([], [self._descriptor], [])

    def _drain(self) -> None:
        with self._changed:
            # A reader that is slow is waited for; one that stands still is not.
            latest_s = monotonic() + _ENDING_S
            while (self._waiting or self._dropped) and self._changed.wait(_LAST_LINES_S) and monotonic() < latest_s:
                pass
