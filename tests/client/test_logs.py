"""What the client and its commands write: never a token, a password or an Idempotency-Key."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from yarl import URL

from dualtoken.client.commands.exit_codes import Exit
from tests.deadline import HANGS_S
from tests.system.processes import PASSWORD, REPOSITORY, Deployment, deployment_in, prepare

WRONG = "hunter2-hunter2"
# An application that logs everything there is, the libraries below the client included, and meets every kind of end.
_APPLICATION = """
import asyncio, itertools, logging, os, secrets, sys
import aiohttp
from client import BearerAuth, ClientError, FileStorage, TokenSource

async def main(auth, api, tokens, password):
    source = TokenSource(auth, storage=FileStorage(tokens), refresh_timeout_s=60)
    lonely = TokenSource(f"{auth}/nowhere", storage=FileStorage(tokens), refresh_timeout_s=1)
    async with source, lonely, aiohttp.ClientSession(middlewares=[BearerAuth(source, origins=[api])]) as http:
        await attempt(source.login("zs", "%(wrong)s"))
        await source.login("zs", password)
        await attempt(lonely.token(rejected=await source.token()))
        await source.token(rejected=await source.token())
        traced = {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}
        async with http.get(f"{api}/home", headers=traced) as answer:
            await answer.read()
        os.remove(tokens)
        os.mkdir(tokens)
        await attempt(source.token(rejected=await source.token()))
        await attempt(source.logout())
        await attempt(source.token())

async def attempt(call):
    try:
        await call
    except ClientError:
        logging.getLogger("application").exception("as expected")

numbers = itertools.count()
secrets.token_urlsafe = lambda _bytes=0: f"idempotency-{next(numbers)}"
logging.basicConfig(level=logging.DEBUG)
asyncio.run(main(*sys.argv[1:4], sys.stdin.readline().strip()), debug=True)
"""

_APPLICATION %= {"wrong": WRONG}
SECRETS = (PASSWORD, WRONG, "dtr1_", "eyJ", "idempotency-")
"""Of refresh tokens and JWTs the beginning: what all of them have, and nothing else."""


@pytest.fixture
async def deployment(tmp_path: Path) -> Deployment:
    """Keys, a database and the user ``zs``."""
    deployment = deployment_in(tmp_path)
    await prepare(deployment)
    return deployment


async def written(*command: str, line: str, tokens: Path) -> tuple[int, str]:
    """Run Python with *command* to its end; return exit status, and what it wrote to output and error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *command),
        cwd=REPOSITORY,
        env={**os.environ, "DUALTOKEN_TOKEN_FILE": str(tokens), "PYTHONASYNCIODEBUG": "1"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(f"{line}\n".encode()), HANGS_S)
    return process.returncode or 0, out.decode()


def address(url: URL) -> str:
    """Return an address without a slash at its end."""
    return str(url).rstrip("/")


async def test_no_secret_is_logged_by_the_library(deployment: Deployment, tmp_path: Path) -> None:
    """Log-in, refreshes, refusals, a spoilt storage and a log-out, with every logger at its most talkative."""
    tokens = tmp_path / "tokens.json"
    async with deployment.auth_service() as auth, deployment.resource_service() as resource:
        addresses = (address(auth.url), address(resource.url))
        status, out = await written("-c", _APPLICATION, *addresses, str(tokens), line=PASSWORD, tokens=tokens)

    assert 0 == status, out
    assert [] == [secret for secret in SECRETS if secret in out]
    assert 3 <= out.count("as expected")
    assert "ERROR:dualtoken.client:" in out


async def test_no_secret_is_printed_by_the_commands(deployment: Deployment, tmp_path: Path) -> None:
    """Every command of a session, done well and badly."""
    tokens = tmp_path / "tokens.json"
    async with deployment.auth_service() as auth, deployment.resource_service() as resource:
        login = ("login", "--auth", address(auth.url), "--user", "zs")
        steps = [
            ((*login,), WRONG, Exit.LOGIN_REQUIRED),
            ((*login,), PASSWORD, Exit.OK),
            (("get", f"{address(resource.url)}/home"), "", Exit.OK),
            (("get", f"{address(resource.url)}/nowhere"), "", Exit.HTTP_ERROR),
            (("status", "--json"), "", Exit.OK),
            (("logout",), "", Exit.OK),
        ]
        done = [await written("-m", "client", *step, line=line, tokens=tokens) for step, line, _ in steps]
    out = "".join(text for _, text in done)

    assert [code for _, _, code in steps] == [status for status, _ in done], out
    assert [] == [secret for secret in SECRETS if secret in out]
    assert "zs" == json.loads(done[2][1])["data"]["username"]
