"""The command line, run as a user runs it."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.client.cli.running import ROOT, Done, Run
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.pair import Control


@pytest.fixture
def run(token_file: Path) -> Run:
    """Return a function that runs a command on the token file of this test."""

    async def run(*arguments: str, line: str = "", **environment: str) -> Done:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", "-m", "client", *arguments),
            cwd=ROOT,
            env={
                **os.environ,
                "DUALTOKEN_TOKEN_FILE": str(token_file),
                "COLUMNS": "200",
                "TERM": "dumb",
                **environment,
            },
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(line.encode())
        assert process.returncode is not None
        return Done(process.returncode, out, err.decode())

    return run


@pytest.fixture
async def logged_in(run: Run, pair: Control) -> Done:
    """Log in."""
    return await run("login", "--auth", pair.auth_url, "--user", "zs", line=f"{PASSWORD}\n")
