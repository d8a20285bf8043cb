"""Dies by SIGKILL at each step between a refresh's answer and its file: ``python -m tests.client.crashing AUTH FILE``.

A step is a line of Python, in the event loop or the storage's thread. For each step one child refreshes and is killed
there, and one child starts anew on what is left. Prints how many steps there were when a child has survived.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

from dualtoken.client import FileStorage, TokenSource

# From the moment when the answer is there to the moment when its file has been renamed.
BEGINS = "_tokens"
FILES = (
    "auth_api.py",
    "responses.py",
    "request.py",
    "renewal.py",
    "persistence.py",
    "durable_file.py",
    "storage/file.py",
)


class Killer:
    """Counts lines, and kills the process at one of them."""

    def __init__(self, step: int) -> None:
        self._left = step
        self._begun = False

    def __call__(self, frame: FrameType, event: str, _: Any) -> "Killer | None":
        """Follow a frame; the tracing function of :func:`sys.settrace`."""
        if not frame.f_code.co_filename.endswith(FILES):
            return None
        self._begun = self._begun or (event == "call" and frame.f_code.co_name == BEGINS)
        if self._begun and event == "line":
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return self


async def refresh(auth_url: str, token_file: str) -> None:
    """Let the stored access token be refused."""
    async with TokenSource(auth_url, storage=FileStorage(token_file)) as source:
        await source.token(rejected=await source.token())


def child(work: Callable[[], None]) -> int:
    """Run *work* in a child; return its wait status."""
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def main(auth_url: str, token_file: str) -> None:
    """Kill one child after another, a step later each time."""

    def dying(step: int) -> None:
        killer = Killer(step)
        threading.settrace(killer)
        sys.settrace(killer)
        asyncio.run(refresh(auth_url, token_file))

    step = 1
    while os.WIFSIGNALED(child(partial(dying, step))):
        if child(lambda: asyncio.run(refresh(auth_url, token_file))) != 0:
            sys.exit(f"after a death at step {step} the next start needed a login")
        step += 1
    sys.stdout.write(f"{step - 1}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
