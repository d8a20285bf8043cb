"""What holds for the whole command line."""

import asyncio
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from dualtoken import auth_service, client, resource_service
from dualtoken.client.commands.exit_codes import Exit
from tests.client.commands.running import ROOT, Done, Run
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.pair import Control

LOADED = """
import json, sys
from {package}.__main__ import main
sys.argv = ["dualtoken", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    code = end.code
roots = {{"aiohttp", "cryptography", "hdrh", "keyring", "plotly", "rich", "sqlalchemy", "tenacity", "uvloop", "yarl"}}
print(json.dumps([code, sorted(roots & sys.modules.keys())]))
"""


@pytest.mark.parametrize(
    ("closed", "code", "out", "err"),
    [(">&-", Exit.OK, "", ""), ("2>&-", Exit.OK, "at-1\n", ""), ("--account nobody 2>&-", Exit.LOGIN_REQUIRED, "", "")],
)
@pytest.mark.usefixtures("logged_in")
async def test_a_closed_stream_is_no_error(token_file: Path, closed: str, code: Exit, out: str, err: str) -> None:
    """Of standard output and standard error; the exit code says the rest."""
    process = await asyncio.create_subprocess_shell(
        f"{sys.executable} -m client token {closed}", cwd=ROOT,
        env={**os.environ, "DUALTOKEN_TOKEN_FILE": str(token_file)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip

    assert (out.encode(), err.encode()) == await process.communicate()
    assert code == process.returncode


async def test_a_closed_standard_input_holds_no_password(token_file: Path, pair: Control) -> None:
    """As an empty one."""
    process = await asyncio.create_subprocess_shell(
        f"{sys.executable} -m client login --auth {pair.auth_url} --user zs <&-", cwd=ROOT,
        env={**os.environ, "DUALTOKEN_TOKEN_FILE": str(token_file)}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip

    _, err = await process.communicate()

    assert err.startswith(b"dualtoken: no password")
    assert (Exit.USAGE, 1) == (process.returncode, err.count(b"\n"))


async def test_an_encoding_need_not_know_each_letter(run: Run, pair: Control) -> None:
    """Of a terminal, or of the file that a password comes from."""
    encoding = {"PYTHONIOENCODING": "ascii"}
    refused = await run("login", "--auth", pair.auth_url, "--user", "zs", line="pässwort\n", **encoding)
    await run("login", "--auth", pair.auth_url, "--user", "张三", line=f"{PASSWORD}\n")

    assert Done(Exit.LOGIN_REQUIRED, b"", "dualtoken: the auth service knows no such user and password\n") == refused
    assert rb"\u5f20\u4e09 <\u5f20\u4e09@example.org>" in (await run("status", **encoding)).out


async def test_version_is_one_line(run: Run) -> None:
    """The one that the package has."""
    assert Done(Exit.OK, f"dualtoken {client.__version__}\n".encode(), "") == await run("--version")


def test_there_is_one_version() -> None:
    """The distribution's, and that of each package in it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert {project["version"]} == {package.__version__ for package in (auth_service, client, resource_service)}


@pytest.mark.parametrize("arguments", [["status"], ["status", "--json"], ["accounts"], ["--version"]])
def test_a_command_that_calls_nobody_loads_no_http_library(arguments: list[str]) -> None:
    """A prompt may ask for the status at each line; what other commands need is not loaded either."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(package="client"), *arguments],
        cwd=ROOT, env={"DUALTOKEN_TOKEN_FILE": "/nowhere/tokens.json"}, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert [] == json.loads(done.stdout.splitlines()[-1])[1]
