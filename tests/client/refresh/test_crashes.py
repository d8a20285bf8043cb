"""SIGKILL between a refresh's answer and its file."""

import asyncio
import sys
from pathlib import Path

from dualtoken.client import FileStorage, TokenSource
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.pair import Control

ROOT = Path(__file__).resolve().parents[3]


async def test_a_death_at_any_step_costs_no_login(pair: Control, token_file: Path) -> None:
    """Killed at each line from the answer to the renamed file, the next start carries on."""
    async with TokenSource(pair.auth_url, storage=FileStorage(token_file)) as source:
        await source.login("zs", PASSWORD)

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.client.crashing", pair.auth_url, str(token_file)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()

    assert (0, b"") == (process.returncode, errors)
    steps = int(output)
    state = await pair.state()
    assert steps > 50
    assert (0, 1, 1) == (state["reuses"], state["live_sessions"], state["most_uses"])
    # Every death before the rename was made good by repeating the request.
    assert state["retries"] > 30
