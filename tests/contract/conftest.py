from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer

from dualtoken.auth_service.domain.clock import wall_clock
from dualtoken.resource_service.app import create_app
from dualtoken.resource_service.settings import Settings as ResourceSettings
from dualtoken_serving.connection import JsonRunner
from tests.auth_service.conftest import (  # noqa: F401 - fixtures of the auth service, for the contract tests as well
    _no_settings_from_outside,
    auth,
    migrated,
    settings,
    start_auth,
    user,
)
from tests.auth_service.running import Auth, ManualClock


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still now: the resource service reads the machine's."""
    return ManualClock(wall_clock())


class ResourceServer(TestServer):
    """Serves on the runner of the service itself, whose connections give every error its shape."""

    async def _make_runner(self, **_kwargs: object) -> JsonRunner:
        return JsonRunner(self.app, service="resource_service")


@pytest.fixture
async def resource(auth: Auth) -> AsyncIterator[TestClient]:  # noqa: F811 - the fixture, not the import
    """A resource service that trusts that auth service and allows one origin."""
    app = create_app(
        ResourceSettings(
            keys=auth.settings.access_keys,
            issuer=auth.settings.issuer,
            audience=auth.settings.audience,
            cors_origins=("https://app.example",),
        )
    )
    async with TestClient(ResourceServer(app)) as client:
        yield client
