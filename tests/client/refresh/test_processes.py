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
EXPIRIES = 3


@pytest.mark.parametrize("count", [2, 8])
async def test_processes_share_one_session(pair: Control, token_file: Path, count: int) -> None:
    """At each expiry one process refreshes, the others adopt what it stored, and every request is answered."""
    async with TokenSource(pair.auth_url, storage=FileStorage(token_file)) as source:
        await source.login("zs", PASSWORD)
    processes = [await one_of_many(pair, token_file) for _ in range(count)]

    for expiries in range(1, EXPIRIES + 1):
        # All begin with the dead token in hand, however late they run.
        await pair.expire()
        results = await asyncio.gather(*(results_of(process) for process in processes))
        assert [REQUESTS * expiries] * count == [result["answered"] for result in results]
        assert expiries == sum(result["refreshes"] for result in results)
        assert count + expiries * (count - 1) == sum(result["adopted"] for result in results)  # the stored one first
    assert [(b"", b"", 0)] * count == [(*await process.communicate(b""), process.returncode) for process in processes]

    state = await pair.state()
    assert (EXPIRIES, 0, 1, 1) == tuple(state[n] for n in ("rotations", "reuses", "most_uses", "live_sessions"))


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


async def results_of(process: asyncio.subprocess.Process) -> dict[str, int]:
    """Let it send its requests; return what it has counted."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    results: dict[str, int] = json.loads(await process.stdout.readline() or b"{}")
    assert results, (await process.communicate())[1]
    return results
