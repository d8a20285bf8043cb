import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.system.processes import Deployment, Service, deployment_in, prepare


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with keys and a database that knows the user ``zs``: made once, copied for each test."""
    folder = tmp_path_factory.mktemp("prepared")
    with asyncio.Runner() as runner:
        runner.run(prepare(deployment_in(folder)))
    return folder


@pytest.fixture(scope="module")
def shared_deployment(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The same for the services that a module's tests share."""
    folder = tmp_path_factory.mktemp("shared") / "deployment"
    shutil.copytree(prepared, folder)
    return deployment_in(folder)


@pytest.fixture
def deployment(prepared: Path, tmp_path: Path) -> Deployment:
    """Keys, a database and the user ``zs``, for one test."""
    shutil.copytree(prepared, tmp_path / "deployment")
    return deployment_in(tmp_path / "deployment")


@pytest.fixture(params=["auth", "resource"])
async def service(request: pytest.FixtureRequest, deployment: Deployment) -> AsyncIterator[Service]:
    """Each of the two services."""
    start = deployment.auth_service if request.param == "auth" else deployment.resource_service
    async with start() as service:
        yield service


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client without a limit of connections."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session
