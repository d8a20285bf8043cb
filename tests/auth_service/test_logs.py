"""What the service logs: JSON lines on standard error, and never a token, a password or a key."""

import asyncio
import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from dualtoken.auth_service.domain.clock import wall_clock
from dualtoken.auth_service.keys.jwk_file import read_key_file
from dualtoken.auth_service.web.docs import API
from tests.auth_service.domain.dpop import ProofMaker
from tests.connection import connected
from tests.deadline import HANGS_S
from tests.system.calls import log_in, post, refresh
from tests.system.processes import PASSWORD, REPOSITORY, Deployment, Service, deployment_in, prepare

WRONG = "hunter2-hunter2"
STRAY = "stray-s3cr3t-bytes"
SECRET = "a-service-s3cret-of-more-than-32-characters"
BACKEND_SECRET = "a-backend-s3cret-of-more-than-32-characters"
PASSWORD_SET = "another " + WRONG
_TOKEN = re.compile(r"dtr1_[\w-]{56}|eyJ[\w-]+\.[\w-]+\.[\w-]+")
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
    async with connected(auth.url.host, auth.url.port) as (reader, writer):
        writer.write(request.encode("latin-1"))
        writer.write_eof()
        await asyncio.wait_for(reader.read(), HANGS_S)


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
    change = {"current_password": PASSWORD, "new_password": PASSWORD_SET}
    await post(http, auth.url / "introspect", {"token": others["access_token"]}, **bearer)
    async with http.post(auth.url / "password", json=change, headers=bearer) as response:
        assert 204 == response.status
    secrets |= await prove(auth, http)
    secrets |= await call_everything(auth, http)
    await post(http, auth.url / "logout", {"token": others["refresh_token"], "everywhere": True})
    for request in UNPARSABLE:
        await exchange(auth, request)
    return secrets | {PASSWORD, WRONG, STRAY, SECRET, BACKEND_SECRET}


async def prove(auth: Service, http: aiohttp.ClientSession) -> set[str]:
    """Bind a session to a key, and prove it well and badly; return what travelled."""
    maker, issuer = ProofMaker(), "http://localhost:8001"
    good = [maker.proof(wall_clock(), htu=f"{issuer}/{path}") for path in ("login", "refresh")]
    stale, forged = maker.proof(0, htu=f"{issuer}/refresh"), good[1].rpartition(".")[0] + ".AAAA"
    body = {"username": "zs", "password": PASSWORD_SET}
    status, tokens = await post(http, auth.url / "login", body, DPoP=good[0])
    assert 200 == status, tokens
    for proof in (good[0], stale, forged, STRAY, good[1]):
        status, _ = await refresh(http, auth, tokens["refresh_token"], DPoP=proof)
    await refresh(http, auth, tokens["refresh_token"])
    assert 200 == status
    return {*good, stale, forged, tokens["access_token"], tokens["refresh_token"], maker.jwk["d"]}


async def call_everything(auth: Service, http: aiohttp.ClientSession) -> set[str]:
    """Make each call that the document of the service describes, as every kind of caller; return the secrets."""
    secrets: set[str] = set()
    calls = [(method, path) for path, methods in API.description["paths"].items() for method in methods]
    for method, path in calls:
        tokens = await log_in(http, auth, PASSWORD_SET)
        mine = {"Authorization": f"Bearer {tokens['access_token']}"}
        cookie = {"Sec-Fetch-Site": "same-origin", "Cookie": f"__Host-refresh={tokens['refresh_token']}"}
        service = {"Authorization": f"Bearer {SECRET}"}
        backend = {"Authorization": f"Bearer {BACKEND_SECRET}"}
        wrong = {"Authorization": f"Bearer {STRAY}"}
        async with http.get(auth.url / "sessions", headers=mine) as response:
            own = next(one["id"] for one in (await response.json())["sessions"] if one["current"])
        sub = jwt.decode(tokens["access_token"], options={"verify_signature": False})["sub"]
        body = body_of(path, tokens, sub)
        for headers, sent in ((wrong, body), (service, body), (backend, body), (cookie, {}), (mine, body)):
            url = auth.url.joinpath(path.lstrip("/").replace("{id}", own).replace("{sub}", "another"))
            async with http.request(method, url, headers=headers, json=sent if method == "post" else None) as response:
                answer = await response.text()
            assert 500 > response.status, (method, path)
            secrets |= set(_TOKEN.findall(answer + str(response.headers)))
        secrets |= {tokens["access_token"], tokens["refresh_token"]}
    return secrets


def body_of(path: str, tokens: dict[str, Any], sub: str) -> dict[str, object]:
    """Return what a call carries; every POST of the document must be here."""
    return {
        "/login": {"username": "zs", "password": PASSWORD_SET, "cookie": True},
        "/refresh": {"refresh_token": tokens["refresh_token"]},
        "/token": {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]},
        "/sessions": {"sub": sub},
        "/logout": {"token": tokens["refresh_token"]},
        "/password": {"current_password": PASSWORD_SET, "new_password": PASSWORD_SET},
        "/introspect": {"token": tokens["access_token"]},
    }.get(path, {})


@pytest.mark.parametrize("path", [path for path, methods in API.description["paths"].items() if "post" in methods])
def test_every_call_has_a_body_to_be_driven_with(path: str) -> None:
    """Who adds a call says here what it carries."""
    assert body_of(path, {"refresh_token": "r", "access_token": "a"}, "s")


async def test_no_secret_is_ever_logged(deployment: Deployment) -> None:
    """Every endpoint, called well and badly at the most talkative level, leaves no token, password or key behind."""
    secrets_of_callers = {"AUTH_SERVICE_SECRET": SECRET, "AUTH_BACKEND_SECRET": BACKEND_SECRET}
    settings = {"AUTH_LOG_LEVEL": "debug", **secrets_of_callers, "AUTH_LOGIN_FAILURES": 1000}
    async with deployment.auth_service(**settings) as auth, aiohttp.ClientSession() as http:
        secrets = await drive(auth, http)
    for path in (deployment.auth["AUTH_ACCESS_KEYS"], deployment.auth["AUTH_REFRESH_KEYS"]):
        secrets |= {key["k"] for key in read_key_file(Path(str(path)))}

    with closing(sqlite3.connect(deployment.folder / "auth.db")) as database:
        hashes = {row[0] for row in database.execute("SELECT password_hash FROM users")}

    assert [] == sorted(secret for secret in secrets | hashes | {"$argon2"} if secret in auth.stderr)
    events = {json.loads(line)["event"] for line in auth.stderr.splitlines()}
    assert {"login.succeeded", "login.refused", "rotation.rotated", "rotation.retried", "rotation.reused"} <= events
    assert "request.unparsable" in events


_BROKEN = """
from dualtoken_serving.logs import configure_logs
import logging, structlog

def log_in(password, refresh_token):
    raise RuntimeError("broken")

configure_logs("debug", "auth_service")
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
