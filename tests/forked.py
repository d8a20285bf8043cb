"""Processes that start in a fifth of the time, see ``fork_server.py``, and look like asyncio's to whoever runs them."""

import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any, Self

REPOSITORY = Path(__file__).parents[1]
# What Python, the C library or typer reads once, as it starts or is imported.
_READ_AT_START = (
    *("PYTHON", "LC_", "LANG", "TZ", "LD_", "AIOHTTP_"),
    *("TERMINAL_", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "_TYPER", "TYPER"),
)
_READ_BY_THE_SERVER = "PYTHONPATH"


async def python_m(
    package: str, *arguments: str, env: Mapping[str, str], stderr: IO[Any] | None = None, strict: bool = False
) -> "asyncio.subprocess.Process | Forked":
    """Start ``python -m package`` as the leader of a process group; fork it, if that comes to the same.

    Args:
        package: one of this checkout's.
        arguments: the package's.
        env: all of its environment.
        stderr: a file, or None for a pipe.
        strict: warnings are errors.
    """
    if sys.platform == "linux" and _read_at_start(env) == _read_at_start(_server()[1]):
        return await Forked.start(package, *arguments, env=env, stderr=stderr, strict=strict)
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *(sys.executable, *(("-W", "error") if strict else ()), "-m", package, *arguments),
        cwd=REPOSITORY,
        env=env,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe if stderr is None else stderr,
        start_new_session=True,
    )


def _read_at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {n: value for n, value in env.items() if n.startswith(_READ_AT_START) and n != _READ_BY_THE_SERVER}


@cache
def _server() -> tuple[socket.socket, dict[str, str]]:
    """Start the server of this process; return how to reach it, and its environment."""
    env = dict(os.environ)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.fork_server", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            cwd=REPOSITORY,
            env=env,
            start_new_session=True,
        )

    def end() -> None:
        ours.close()
        server.wait()

    atexit.register(end)
    return ours, env


class Forked:
    """``python -m package …``, which leads a process group of its own.

    Attributes:
        stdout: what it prints.
        returncode: None while it runs.
    """

    def __init__(self, pid: int, stdin: IO[bytes], *outputs: asyncio.StreamReader) -> None:
        self.pid, self.returncode = pid, None
        self.stdout, self._stderr, reports = outputs
        self._stdin = stdin
        self._ending = asyncio.create_task(self._end(reports))

    returncode: int | None

    @classmethod
    async def start(cls, *words: str, env: Mapping[str, str], stderr: IO[Any] | None, strict: bool) -> Self:
        """Start it; see :func:`python_m`."""
        command = json.dumps({"words": words, "env": dict(env), "strict": strict}).encode()
        (stdin, given), *outputs = (os.pipe() for _ in range(4))
        ends = [stdin, *(written for _, written in outputs)]
        sent = [stdin, outputs[0][1], outputs[1][1] if stderr is None else stderr.fileno(), outputs[2][1]]
        socket.send_fds(_server()[0], [command], sent)
        for end in ends:
            os.close(end)
        printed, error, reports = [await _reader(read) for read, _ in outputs]
        pid = int(await reports.readline())
        return cls(pid, os.fdopen(given, "wb"), printed, error, reports)

    def kill(self) -> None:
        """Send SIGKILL, to the process alone."""
        os.kill(self.pid, signal.SIGKILL)

    async def _end(self, reports: asyncio.StreamReader) -> None:
        self.returncode = int(await reports.read())

    async def communicate(self, given: bytes = b"") -> tuple[bytes, bytes]:
        """Send it *given*, wait for its end; return what it printed."""
        if not self._stdin.closed:
            await asyncio.to_thread(self._give, given)
        printed, error = await self.stdout.read(), await self._stderr.read()
        await self._ending
        return printed, error

    def _give(self, given: bytes) -> None:
        with suppress(BrokenPipeError), self._stdin:
            self._stdin.write(given)


async def _reader(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(descriptor, "rb", 0))
    return reader
