from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.auth_service.conftest import StartAuth
from tests.auth_service.issuers import Issuer, write_issuers
from tests.auth_service.running import Auth
from tests.auth_service.web.backend_calls import BACKEND_SECRET


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    """A running issuer."""
    async with Issuer().serving() as issuer:
        yield issuer


@pytest.fixture
async def auth(start_auth: StartAuth, issuer: Issuer, tmp_path: Path) -> Auth:
    """A service that trusts it."""
    return await start_auth(
        trusted_issuers=write_issuers(tmp_path, issuer.entry()), backend_secret=SecretStr(BACKEND_SECRET)
    )
