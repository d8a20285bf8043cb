"""An issuer that is not ours, on loopback: publishes its keys, and signs assertions."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from jwt import PyJWK

from dualtoken.auth_service.domain.jwk import Jwk, new_jwk, public_jwk
from tests.auth_service.domain.dpop import segment
from tests.auth_service.running import START_MS

AUDIENCE = "our client id there"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SUB = "user 7/ü"


class Issuer:
    """One issuer. What it answers may be changed at any time; each fetch of its keys is counted."""

    def __init__(self, algorithm: str = "ES256") -> None:
        self.url = "https://issuer.example"
        self.jwk: Jwk = new_jwk(algorithm)
        self.published: list[Any] = [public_jwk(self.jwk)]
        self.metadata: dict[str, Any] = {}
        self.answer: web.Response | None = None
        self.fetches = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Issuer"]:
        """Serve; the issuer is called as its address."""
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._metadata)
        app.router.add_get("/jwks", self._jwks)
        async with TestServer(app, host="127.0.0.1") as server:
            self.url = f"http://127.0.0.1:{server.port}"
            yield self

    async def _metadata(self, _request: web.Request) -> web.Response:
        return web.json_response({"issuer": self.url, "jwks_uri": f"{self.url}/jwks", **self.metadata})

    async def _jwks(self, _request: web.Request) -> web.Response:
        self.fetches += 1
        if self.answer is not None:
            return web.Response(status=self.answer.status, body=self.answer.body, headers=self.answer.headers)
        return web.json_response({"keys": self.published})

    def entry(self, **members: Any) -> dict[str, Any]:
        """Return its entry in the file; it creates users."""
        algorithms = ["RS256", "PS256", "ES256", "EdDSA"]
        entry = {"issuer": self.url, "audience": AUDIENCE, "algorithms": algorithms, "unknown_users": "create"}
        return {**entry, "scope": "read write", **members}

    def claims(self, now_ms: int = START_MS, **changes: Any) -> dict[str, Any]:
        """Return claims; one of None is left out."""
        now = now_ms // 1000
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": SUB, "iat": now, "exp": now + 3600, **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def header(self, **changes: Any) -> dict[str, Any]:
        """Return the header; a member of None is left out."""
        header = {"typ": "JWT", "alg": self.jwk["alg"], "kid": self.jwk["kid"], **changes}
        return {name: value for name, value in header.items() if value is not None}

    def sign(self, header: object, claims: object, jwk: Jwk | None = None) -> str:
        """Return a compact JWS by its key, or by *jwk*."""
        signing = f"{segment(header)}.{segment(claims)}"
        key = PyJWK(jwk or self.jwk)
        return f"{signing}.{segment(key.Algorithm.sign(signing.encode(), key.key))}"

    def assertion(self, now_ms: int = START_MS, **changes: Any) -> str:
        """Return a good assertion, but for what *changes* of its claims."""
        return self.sign(self.header(), self.claims(now_ms, **changes))


def write_issuers(folder: Path, *entries: dict[str, Any]) -> Path:
    """Write the file that ``AUTH_TRUSTED_ISSUERS`` names."""
    path = folder / "issuers.json"
    path.write_text(json.dumps({"issuers": entries}))
    return path
