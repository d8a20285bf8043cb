"""DPoP clients that know nothing of this project refresh a bound session of the live service, unchanged."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import requests
from requests_oauth2client import DPoPKey, DPoPToken, OAuth2Client

from tests.deadline import HANGS_S
from tests.node_packages import installed, said_by
from tests.ports import held_ports
from tests.system.calls import refresh
from tests.system.processes import PASSWORD, Deployment, Service

_SECRET = "backend-" + "b" * 32
_HOURS_MS = 3_600_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def auth(shared_deployment: Deployment) -> AsyncIterator[Service]:
    """An auth service whose issuer is the address where it listens."""
    with held_ports(1) as [port]:
        settings = {"AUTH_ISSUER": f"http://127.0.0.1:{port}", "AUTH_BACKEND_SECRET": _SECRET}
        async with shared_deployment.auth_service(AUTH_PORT=port, **settings) as service:
            yield service


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder where the npm packages are installed, beside the scripts that use them."""
    return installed(Path(__file__).parent / "foreign", tmp_path_factory.mktemp("packages"))


@pytest.mark.parametrize(("behind_ms", "challenges"), [(0, 0), (2 * _HOURS_MS, 1)])
@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519"])
async def test_the_npm_package_dpop(
    auth: Service, packages: Path, algorithm: str, behind_ms: int, challenges: int
) -> None:
    """It logs in and refreshes with either kind of key; by a wrong clock it is challenged once, at the log-in."""
    arguments = (str(auth.url), "zs", PASSWORD, algorithm, str(behind_ms))
    said = await asyncio.to_thread(said_by, packages, "with_dpop.mjs", *arguments)

    assert [*[400] * challenges, 200, 200, 200, 200, 400] == said["statuses"]
    assert ("invalid_dpop_proof", "unproven") == (said["unproven"]["error"], said["unproven"]["reason"])
    assert said["first"]["refresh_token"] != said["tokens"]["refresh_token"]


@pytest.mark.parametrize(("behind_ms", "challenges"), [(0, 0), (2 * _HOURS_MS, 1)])
async def test_the_npm_package_oauth4webapi(
    auth: Service, packages: Path, http: aiohttp.ClientSession, behind_ms: int, challenges: int
) -> None:
    """From the metadata on: it finds the token endpoint, proves its key there, and answers a challenge."""
    async with http.put(
        auth.url / "users" / "42",
        json={"username": "mk", "email": "mk@example.org", "scope": "read"},
        headers={"Authorization": f"Bearer {_SECRET}"},
    ) as answer:
        assert answer.ok, await answer.text()
    arguments = (str(auth.url).rstrip("/"), _SECRET, "42", str(behind_ms))
    said = await asyncio.to_thread(said_by, packages, "with_oauth4webapi.mjs", *arguments)
    status, unproven = await refresh(http, auth, said["tokens"]["refresh_token"])

    assert (4, challenges) == (len(set(said["seen"])), said["challenges"])
    assert "ES256" in said["algorithms"]
    assert (400, "unproven") == (status, unproven["reason"])


def open_session(auth: Service, key: DPoPKey) -> DPoPToken:
    """Log in with a proof that requests-oauth2client makes."""
    url = str(auth.url / "login")
    headers = {"DPoP": str(key.proof(htm="POST", htu=url))}
    answer = requests.post(url, json={"username": "zs", "password": PASSWORD}, headers=headers, timeout=HANGS_S)
    assert 200 == answer.status_code, answer.text
    return DPoPToken(**answer.json(), _dpop_key=key)


@pytest.mark.parametrize("behind_s", [0, 7200])
@pytest.mark.parametrize("endpoint", ["refresh", "token"])
async def test_requests_oauth2client(auth: Service, http: aiohttp.ClientSession, endpoint: str, behind_s: int) -> None:
    """It proves its key at each refresh, and answers a challenge by itself."""
    key = DPoPKey.generate()
    opened = await asyncio.to_thread(open_session, auth, key)
    slow = DPoPKey(key.private_key, iat_generator=lambda: int(time.time()) - behind_s)
    tokens: Any = DPoPToken(opened.access_token, refresh_token=opened.refresh_token, _dpop_key=slow)
    client = OAuth2Client(str(auth.url / endpoint), client_id="any", testing=True)
    seen = [tokens.refresh_token]
    for _ in range(3):
        tokens = await asyncio.to_thread(client.refresh_token, tokens)
        seen.append(tokens.refresh_token)
    status, unproven = await refresh(http, auth, seen[-1])

    assert 4 == len(set(seen))
    assert (behind_s > 0) == (slow.as_nonce is not None)
    assert (400, "unproven") == (status, unproven["reason"])
