"""What the service logs: JSON lines on standard error, and never a token, a password or a key."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from auth_service.keys import read_key_file
from tests.system.calls import log_in, post, refresh
from tests.system.processes import PASSWORD, REPOSITORY, Deployment, Service, deployment_in, prepare

WRONG = "hunter2-hunter2"
STRAY = "stray-s3cr3t-bytes"
UNPARSABLE = (
    f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization Bearer {STRAY}\r\n\r\n",
    f"\x16\x03\x01{STRAY}\r\n\r\n",
    f"POST /login HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{STRAY}\r\n",
    f"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: {STRAY}\r\n\r\n{{}}",
    f"GET /refresh?refresh_token={STRAY} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    f"GET /nowhere/{STRAY} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
)


@pytest.fixture
async def deployment(tmp_path: Path) -> Deployment:
    """Keys, a database and the user ``zs``."""
    deployment = deployment_in(tmp_path)
    await prepare(deployment)
    return deployment


async def exchange(auth: Service, request: str) -> None:
    """Send bytes and read whatever comes back."""
    reader, writer = await asyncio.open_connection(auth.url.host, auth.url.port)
    writer.write(request.encode("latin-1"))
    writer.write_eof()
    await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()


async def drive(auth: Service, http: aiohttp.ClientSession) -> set[str]:
    """Call every endpoint, well and badly; return every secret that travelled."""
    tokens, others = await log_in(http, auth), await log_in(http, auth)
    secrets = {tokens["access_token"], tokens["refresh_token"], others["access_token"], others["refresh_token"]}
    await post(http, auth.url / "login", {"username": PASSWORD, "password": WRONG})
    await post(http, auth.url / "login", {"username": "zs", "password": [WRONG]})
    for key, count in (("idempotency-1", 1), ("idempotency-2", 2)):
        for _ in range(count):
            _, body = await refresh(http, auth, tokens["refresh_token"], **{"Idempotency-Key": key})
            secrets |= {body["access_token"], body["refresh_token"], key}
        spent, tokens = tokens, body
    await refresh(http, auth, spent["refresh_token"])
    await refresh(http, auth, tokens["refresh_token"])
    await refresh(http, auth, tokens["refresh_token"][:-1] + "!")
    bearer = {"Authorization": f"Bearer {others['access_token']}"}
    async with http.get(auth.url / "sessions", headers=bearer) as response:
        assert 200 == response.status
    change = {"current_password": PASSWORD, "new_password": "another " + WRONG}
    await post(http, auth.url / "introspect", {"token": others["access_token"]}, **bearer)
    async with http.post(auth.url / "password", json=change, headers=bearer) as response:
        assert 204 == response.status
    await post(http, auth.url / "logout", {"token": others["refresh_token"], "everywhere": True})
    for request in UNPARSABLE:
        await exchange(auth, request)
    return secrets | {PASSWORD, WRONG, STRAY}


async def test_no_secret_is_ever_logged(deployment: Deployment) -> None:
    """Every endpoint, called well and badly at the most talkative level, leaves no token, password or key behind."""
    async with deployment.auth_service(AUTH_LOG_LEVEL="debug") as auth, aiohttp.ClientSession() as http:
        secrets = await drive(auth, http)
    for path in (deployment.auth["AUTH_ACCESS_KEYS"], deployment.auth["AUTH_REFRESH_KEYS"]):
        secrets |= {key["k"] for key in read_key_file(Path(str(path)))}

    assert [] == sorted(secret for secret in secrets if secret in auth.stderr)
    events = {json.loads(line)["event"] for line in auth.stderr.splitlines()}
    assert {"login.succeeded", "login.refused", "rotation.rotated", "rotation.retried", "rotation.reused"} <= events
    assert "request.unparsable" in events


_BROKEN = """
from auth_service.logs import configure_logs
import logging, structlog

def log_in(password, refresh_token):
    raise RuntimeError("broken")

configure_logs("debug")
try:
    log_in("{password}", refresh_token=["{password}"])
except RuntimeError:
    structlog.get_logger().exception("unexpected")
    logging.getLogger("aiohttp.server").exception("Unhandled exception")
"""


def test_a_trace_shows_no_values() -> None:
    """The trace of an unexpected error names functions and lines, not what their variables held."""
    code = _BROKEN.format(password=PASSWORD)
    finished = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    lines = finished.stderr.splitlines()

    assert ["unexpected", "Unhandled exception"] == [json.loads(line)["event"] for line in lines]
    assert all("RuntimeError" in line and "log_in" in line for line in lines)
    assert not [line for line in lines if PASSWORD in line]
