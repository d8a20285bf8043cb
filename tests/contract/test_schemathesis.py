"""Both services answer whatever their OpenAPI documents allow, and whatever they do not, as these documents say."""

import asyncio
import os
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.system.calls import log_in
from tests.system.processes import Deployment, Service, deployment_in, prepare

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
REPOSITORY = Path(__file__).parents[2]
SERVICE_SECRET = "a service secret of more than 32 characters"
BACKEND_SECRET = "a backend secret of more than 32 characters"
DEADLINE_S = 1200  # ends what hangs; alone it takes half a minute


@pytest.fixture
async def deployment(tmp_path: Path) -> Deployment:
    """Keys, a database and the user ``zs``."""
    deployment = deployment_in(tmp_path)
    await prepare(deployment)
    return deployment


async def judge(service: Service, access_token: str, *options: str) -> tuple[int, str]:
    """Let schemathesis call a service; return its exit status and its report."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run"),
        *(str(service.url / "openapi.json"), "--no-color", "--warnings", "off", *options),
        cwd=REPOSITORY,
        env={
            **os.environ,
            "ACCESS_TOKEN": access_token,
            "SERVICE_SECRET": SERVICE_SECRET,
            "BACKEND_SECRET": BACKEND_SECRET,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    return process.returncode or 0, out.decode()


async def test_the_auth_service_does_as_its_document_says(deployment: Deployment) -> None:
    """Every check of schemathesis passes on every call of the auth service."""
    settings = {
        "AUTH_SERVICE_SECRET": SERVICE_SECRET,
        "AUTH_BACKEND_SECRET": BACKEND_SECRET,
        "AUTH_BACKEND_CALLS": 0,
        "AUTH_LOGIN_FAILURES": 1_000_000,
    }
    async with deployment.auth_service(**settings) as auth, aiohttp.ClientSession() as http:
        tokens = await log_in(http, auth)
        status, report = await judge(auth, tokens["access_token"])

    assert 0 == status, report


async def test_the_resource_service_does_as_its_document_says(deployment: Deployment) -> None:
    """Every check of schemathesis passes on every call of the resource service."""
    async with deployment.auth_service() as auth, aiohttp.ClientSession() as http:
        tokens = await log_in(http, auth)
    async with deployment.resource_service() as resource:
        status, report = await judge(resource, tokens["access_token"])

    assert 0 == status, report
