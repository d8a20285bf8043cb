"""Fixtures of the tests of both services' machinery."""

import os

import pytest

from tests.dualtoken_serving.read_settings import SERVICES
from tests.resource_service.conftest import key, key_file, times  # noqa: F401 - fixtures, for these tests as well
from tests.system.conftest import deployment, http, prepared, service  # noqa: F401 - likewise


@pytest.fixture(params=SERVICES)
def prefix(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each service's prefix, in an environment with nothing but what the service cannot do without."""
    for name in [name for name in os.environ if name.startswith(("AUTH_", "RESOURCE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RESOURCE_KEYS", "access.jwks.json")
    return f"{request.param}_"
