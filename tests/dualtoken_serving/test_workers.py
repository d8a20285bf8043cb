"""Processes that the supervisor forks, and when they can be told to end."""

import asyncio
import sys

import pytest

from tests.deadline import HANGS_S
from tests.forked import REPOSITORY


@pytest.mark.parametrize("moment", ["forked", "loading"])
async def test_a_worker_that_has_just_been_forked_can_be_told_to_end(moment: str) -> None:
    """No SIGTERM is lost, however early it comes: that worker ends, and another takes its place."""
    service = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.dualtoken_serving.stopped_early", moment),
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
    )
    assert service.stdout is not None
    try:
        async with asyncio.timeout(HANGS_S):
            while await service.stdout.readline() not in {b"worker 2\n", b""}:
                pass
            service.terminate()
            status = await service.wait()
    finally:
        if service.returncode is None:
            service.kill()
            await service.wait()

    assert 0 == status
