"""New passwords, judged in a process of their own.

The judge is Python, and computes for up to 25 ms. In a thread it would hold the interpreter's lock, for which the
event loop and every renewal would wait; at a low priority, for as long as a busy host lets it starve. A process costs
0.1 s of a core to start, and passwords change seldom. A thread starts it, by ``vfork``: uvloop forks, which stops the
event loop while the tables of its memory are copied.
"""

import asyncio
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from ..domain.models import User
from ..errors import Busy
from .lanes import Lanes
from .shares import Asker

_COMMAND = (sys.executable, "-m", f"{__package__}.judge_process")
# Below the service from its first instruction.
_NICENESS = 10
_NICE = shutil.which("nice")
_GIVING_WAY = (_NICE, "-n", str(_NICENESS), *_COMMAND) if _NICE else _COMMAND


class Judge:
    """Says why a password must not be a user's. One process at a time; the rest wait in the hashing queue."""

    def __init__(self, lanes: Lanes, min_length: int, issuer: str) -> None:
        """Judge for the users of *issuer*, a URL; a place in *lanes* is taken for each."""
        self._lanes, self._min_length, self._issuer = lanes, min_length, issuer
        self._thread = ThreadPoolExecutor(1, "judge")

    async def problem_of(self, password: str, user: User, asker: Asker | None = None) -> str | None:
        """Return a few words, or None where nothing speaks against it. Raises: Busy."""
        question = {
            "min_length": self._min_length,
            "issuer": self._issuer,
            "password": password,
            "username": user.username,
            "email": user.email,
        }
        loop = asyncio.get_running_loop()
        async with self._lanes.place(asker):
            answer = await loop.run_in_executor(self._thread, self._ask, json.dumps(question).encode())
        problem: str | None = json.loads(answer)["problem"]
        return problem

    def _ask(self, question: bytes) -> bytes:
        # On a busy host the first process may starve; the second has the usual priority, as a hash has then.
        patience_s, deadline_s = self._lanes.patience_s, self._lanes.deadline_s
        for command, within_s in ((_GIVING_WAY, patience_s), (_COMMAND, deadline_s - patience_s)):
            try:
                process = subprocess.run(  # noqa: S603 - a command of our own
                    command,
                    input=question,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    timeout=within_s,
                    check=False,
                )
            except subprocess.TimeoutExpired:  # it has been killed
                continue
            if process.returncode:
                raise RuntimeError(f"the judge of passwords ended with {process.returncode}")
            return process.stdout
        raise Busy("no verdict in time")

    def close(self) -> None:
        """Take no more; what still waits is dropped."""
        self._thread.shutdown(wait=False, cancel_futures=True)
