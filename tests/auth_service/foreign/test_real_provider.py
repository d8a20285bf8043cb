"""ID tokens of a real OpenID provider open sessions: node oidc-provider, with its own log-in in between."""

import asyncio
import base64
import hashlib
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.auth_service.conftest import StartAuth
from tests.auth_service.issuers import write_issuers
from tests.auth_service.running import Auth, ManualClock
from tests.auth_service.web.grants.presenting import present
from tests.auth_service.web.test_claims import claims_in
from tests.deadline import HANGS_S

HERE = Path(__file__).parent
INSTALL_S = 300.0
CALLBACK, VERIFIER = "http://127.0.0.1/callback", "v" * 43


@pytest.fixture(scope="module")
def oidc_provider(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder where the npm package oidc-provider is installed."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node.js with npm is missing: no ID tokens of the npm package oidc-provider")
    home = tmp_path_factory.mktemp("oidc-provider")
    for name in ("package.json", "package-lock.json", "provider.mjs"):
        shutil.copy(HERE / name, home)
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(install, cwd=home, capture_output=True, text=True, check=False, timeout=INSTALL_S)
    if done.returncode:
        pytest.skip(f"npm cannot install oidc-provider: {done.stderr.strip().splitlines()[-1:]}")
    return home


@pytest.fixture
async def issuer(oidc_provider: Path) -> AsyncIterator[str]:
    """The address of a running provider."""
    process = await asyncio.create_subprocess_exec(
        "node", "provider.mjs", cwd=oidc_provider, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    try:
        yield (await asyncio.wait_for(process.stdout.readline(), HANGS_S)).decode().strip()
    finally:
        process.stdin.close()
        await process.wait()


class WallClock(ManualClock):
    """The time of day: the provider has no other."""

    def __call__(self) -> int:
        self.now = int(time.time() * 1000)
        return self.now


@pytest.fixture
def clock() -> ManualClock:
    """A clock that runs."""
    return WallClock()


async def id_token(issuer: str, user: str, client_id: str = "app") -> str:
    """Log in at the provider as a browser does (OpenID Connect Core §3.1), and return the ID token."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "client_id": client_id, "response_type": "code", "redirect_uri": CALLBACK, "scope": "openid email profile",
        "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        page = await _followed(browser, URL(f"{issuer}/auth").with_query(asked))
        page = await _followed(browser, page, prompt="login", login=user, password="any")
        page = await _followed(browser, page, prompt="consent")
        code = {"grant_type": "authorization_code", "code": page.query["code"], "redirect_uri": CALLBACK}
        body = {**code, "client_id": client_id, "code_verifier": VERIFIER}
        async with browser.post(f"{issuer}/token", data=body) as answer:
            token: str = (await answer.json())["id_token"]
            return token


async def _followed(browser: aiohttp.ClientSession, page: URL, **form: str) -> URL:
    """Open a page, or send its form; follow until the next page, or until the callback."""
    method, options = ("POST", {"data": form}) if form else ("GET", {})
    while page.path != "/callback":
        async with browser.request(method, page, allow_redirects=False, **options) as answer:
            if answer.status == 200:
                break
            assert answer.status == 303, await answer.text()
            method, options, page = "GET", {}, page.join(URL(answer.headers["Location"]))
    return page


@pytest.fixture
async def auth(start_auth: StartAuth, issuer: str, tmp_path: Path) -> Auth:
    """A service that trusts it, by its metadata alone."""
    entry: dict[str, Any] = {"issuer": issuer, "audience": ["app", "app of ES256"], "algorithms": ["RS256", "ES256"]}
    made = {"unknown_users": "create", "username": "preferred_username", "scope": "read"}
    return await start_auth(trusted_issuers=write_issuers(tmp_path, entry | made))


@pytest.mark.parametrize("client_id", ["app", "app of ES256"])
async def test_an_id_token_opens_a_session(auth: Auth, issuer: str, client_id: str) -> None:
    """Once: for the user who logged in there, known by name and verified address, since when they did."""
    token = await id_token(issuer, "seven", client_id)
    opened = await present(auth, token)
    again = await present(auth, token)
    claims = claims_in(opened.body)

    assert {"username": "seven", "email": "seven@example.org"} == opened.body["userInfo"]
    assert (f"{issuer}|seven", "read") == (claims["sub"], claims["scope"])
    assert abs(claims["auth_time"] - auth.clock.now // 1000) < 3600
    assert (400, "replayed") == (again.status, again.body["reason"])
    assert await auth.rotate(opened.body["refresh_token"])


async def test_an_id_token_for_another_client_opens_none(start_auth: StartAuth, issuer: str, tmp_path: Path) -> None:
    """Of the same provider, by the same key."""
    entry = {"issuer": issuer, "audience": "app", "algorithms": ["ES256"]}
    auth = await start_auth(trusted_issuers=write_issuers(tmp_path, entry))
    refused = await present(auth, await id_token(issuer, "seven", "app of ES256"))

    assert (400, "invalid_grant", "audience") == (*refused.error, refused.body["reason"])
