"""The command line, run as a user runs it."""

import os
from pathlib import Path

import pytest

from tests.client.commands.running import Done, Run
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.pair import Control
from tests.forked import python_m


@pytest.fixture
def run(token_file: Path) -> Run:
    """Return a function that runs a command on the token file of this test."""

    async def run(*arguments: str, line: str = "", **environment: str) -> Done:
        settings = {"DUALTOKEN_TOKEN_FILE": str(token_file), "COLUMNS": "200", "TERM": "dumb"}
        process = await python_m("client", *arguments, env={**os.environ, **settings, **environment}, strict=True)
        out, err = await process.communicate(line.encode(errors="surrogateescape"))
        assert process.returncode is not None
        return Done(process.returncode, out, err.decode())

    return run


@pytest.fixture
async def logged_in(run: Run, pair: Control) -> Done:
    """Log in."""
    return await run("login", "--auth", pair.auth_url, "--user", "zs", line=f"{PASSWORD}\n")
