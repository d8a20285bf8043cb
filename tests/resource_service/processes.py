"""The service as its user starts it: a process."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from yarl import URL

from tests.deadline import HANGS_S

REPOSITORY = Path(__file__).parents[2]


class Process:
    """One running service."""

    def __init__(self, process: asyncio.subprocess.Process, url: URL) -> None:
        self.process = process
        self.url = url

    async def stop(self) -> tuple[int, str, str]:
        """Ask it to stop; return its exit status, and the rest of its standard output and error."""
        if self.process.returncode is None:
            self.process.terminate()
        out, err = await asyncio.wait_for(self.process.communicate(), HANGS_S)
        return self.process.returncode or 0, out.decode(), err.decode()


def environment(settings: dict[str, object]) -> dict[str, str]:
    """This process's environment, but for the settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RESOURCE_")}
    return inherited | {f"RESOURCE_{name.upper()}": str(value) for name, value in settings.items()}


async def _start(settings: dict[str, object]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "resource_service",
        "serve",
        cwd=REPOSITORY,
        env=environment(settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@contextlib.asynccontextmanager
async def resource_process(**settings: object) -> AsyncIterator[Process]:
    """Start the service on a free port and wait until it says that it is ready."""
    process = await _start({"port": 0} | settings)
    assert process.stdout is not None
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), HANGS_S)).decode()
        if not line.startswith("resource_service listening on "):
            _, error = await process.communicate()
            raise AssertionError(f"no ready line: {line!r}, {error.decode()}")
        yield Process(process, URL(line.split()[-1]))
    finally:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.communicate(), HANGS_S)


async def failed_start(**settings: object) -> tuple[int, str, str]:
    """Start the service with settings that it cannot start with; return exit status, output and error."""
    process = await _start({"port": 0} | settings)
    out, err = await asyncio.wait_for(process.communicate(), HANGS_S)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
