from collections.abc import AsyncIterator

import aiohttp
import pytest

from auth_service.sessions import wall_clock
from tests.auth_service.conftest import (  # noqa: F401 - fixtures of the auth service, for the contract tests as well
    _no_settings_from_outside,
    auth,
    settings,
    start_auth,
    user,
)
from tests.auth_service.running import Auth, ManualClock
from tests.resource_service.services import resource_service


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still now: the resource service reads the machine's."""
    return ManualClock(wall_clock())


@pytest.fixture
async def resource(auth: Auth) -> AsyncIterator[aiohttp.ClientSession]:  # noqa: F811 - the fixture, not the import
    """A resource service that trusts that auth service and allows one origin."""
    trusted = auth.settings
    async with resource_service(
        trusted.access_keys,
        issuer=trusted.issuer,
        audience=trusted.audience,
        cors_origins=("https://app.example",),
    ) as session:
        yield session
