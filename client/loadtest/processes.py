"""The worker processes of a load test, as the runner sees them."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from ..commands.invocation import python_module, working_folder
from ..errors import ClientError
from .options import Options

LINE_BYTES: Final = 1 << 24  # of a report of one interval, at most
STOP_S: Final = 15.0  # for a worker to log out its sessions and end

Line = dict[str, Any]


class WorkerFailed(ClientError):
    """A process that makes load has said that it cannot, or has broken off."""


class WorkerProcess:
    """One worker process; see :mod:`client.loadtest.worker` for what it reads and writes.

    Args:
        process: started, with pipes.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None  # noqa: S101 - they were asked for
        assert process.stdout is not None  # noqa: S101
        self._process = process
        self._stdin, self._stdout = process.stdin, process.stdout

    async def order(self, line: str) -> None:
        """Send a line; nobody need be there to read it."""
        with suppress(ConnectionError):
            self._stdin.write(f"{line}\n".encode())
            await self._stdin.drain()

    async def listen(self, tell: Callable[[Line], None]) -> None:
        """Pass on what the worker says until it is done.

        Raises:
            WorkerFailed: it has a problem, or ends without a word.
        """
        async for text in self._stdout:
            line: Line = json.loads(text)
            if "problem" in line:
                raise WorkerFailed(line["problem"])
            if "done" in line:
                return
            tell(line)
        raise WorkerFailed(f"a load generator process ended early with status {await self._process.wait()}")

    async def end(self) -> None:
        """See the process off."""
        self._stdin.close()
        try:
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()

    def kill(self) -> None:
        """End the process at once."""
        with suppress(ProcessLookupError):
            self._process.kill()


@asynccontextmanager
async def worker_processes(options: Options, password: str) -> AsyncIterator[list[WorkerProcess]]:
    """Run as many workers as *options* ask for, each with its part of the work, until the end of the block."""
    parts = options.workers()
    workers: list[WorkerProcess] = []
    try:
        for part in range(parts):
            process = await asyncio.create_subprocess_exec(
                *python_module("client.loadtest.worker"), cwd=working_folder(), limit=LINE_BYTES,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the runner, which asks the workers to stop
            )  # fmt: skip
            workers.append(WorkerProcess(process))
            assignment = {
                "options": dataclasses.asdict(options), "password": password, "part": part, "parts": parts
            }  # fmt: skip
            await workers[-1].order(json.dumps(assignment))
        yield workers
    finally:
        await asyncio.gather(*(worker.end() for worker in workers))
