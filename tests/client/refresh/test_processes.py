"""Several real processes on one token file, against a service that takes each refresh token once."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from dualtoken.client import FileStorage, TokenSource
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.pair import Control

ROOT = Path(__file__).resolve().parents[3]
REQUESTS = 40


@pytest.mark.parametrize("count", [2, 8])
async def test_processes_share_one_session(pair: Control, token_file: Path, count: int) -> None:
    """Each refresh token is used once, and every process carries on."""
    async with TokenSource(pair.auth_url, storage=FileStorage(token_file)) as source:
        await source.login("zs", PASSWORD)
    # So rarely that a process has used a new token before the others have used it up.
    await pair.set(expire_every=2 * REQUESTS * count)

    processes = [await one_of_many(pair, token_file) for _ in range(count)]
    results = await asyncio.gather(*(result_of(process) for process in processes))

    assert [4 * REQUESTS] * count == [result["answered"] for result in results]
    state = await pair.state()
    assert (0, 1, 1) == (state["reuses"], state["most_uses"], state["live_sessions"])
    # Expiries, and no more: 401s of several processes for one token cost one refresh.
    assert sum(result["refreshes"] for result in results) == state["rotations"] <= state["expiries"]
    # All begin with one token. When it runs out one process refreshes, and the others adopt, however late they run.
    assert sum(result["adopted"] for result in results) >= count + (count - 1)


async def one_of_many(pair: Control, token_file: Path) -> asyncio.subprocess.Process:
    """Start one process; return when it is ready to begin."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "tests.client.one_of_many"),
        *(pair.auth_url, pair.api_url, str(token_file), str(REQUESTS)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert b"ready\n" == await process.stdout.readline()
    return process


async def result_of(process: asyncio.subprocess.Process) -> dict[str, int]:
    """Let it begin, all at one time; return what it has counted."""
    output, errors = await process.communicate(b"\n")
    assert (0, b"") == (process.returncode, errors)
    result: dict[str, int] = json.loads(output)
    return result
