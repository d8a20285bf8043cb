"""Tokens and key sets of other libraries, as an issuer that is not ours publishes and mints them."""

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from dualtoken.resource_service import CLAIMS, Bearer
from tests.node_packages import installed, said_by
from tests.resource_service.services import bearer, serving

HERE = Path(__file__).parent
ISSUER, AUDIENCE = "https://login.example", "https://api.example"

Issued = tuple[dict[str, Any], dict[str, str]]
"""A key set, and a token for each algorithm."""


def by_joserfc() -> Issued:
    """As joserfc does it."""
    keys = {
        "RS256": RSAKey.generate_key(2048, {"kid": "r", "alg": "RS256", "use": "sig"}),
        "ES256": ECKey.generate_key("P-256", {"kid": "e", "use": "sig"}),
        "EdDSA": OKPKey.generate_key("Ed25519", {"kid": "o"}),
        "ES512": ECKey.generate_key("P-521", {"kid": "x", "use": "sig"}),
    }
    now = time.time()
    claims = {
        "iss": ISSUER,
        "aud": [AUDIENCE, "https://other.example"],
        "sub": "a user of joserfc",
        "client_id": "app",
        "iat": now,
        "exp": now + 300.5,
        "jti": "1",
        "tenant": "acme",
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # it warns of the older name EdDSA, which most issuers use
        tokens = {
            alg: jwt.encode({"alg": alg, "kid": key.kid, "typ": "AT+JWT"}, claims, key, algorithms=[alg])
            for alg, key in (keys | {"Ed25519": keys["EdDSA"]}).items()
        }
    return dict(KeySet(list(keys.values())).as_dict(private=False)), tokens


@pytest.fixture(scope="module")
def jose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder where the npm package jose is installed."""
    return installed(HERE, tmp_path_factory.mktemp("jose"))


@pytest.fixture(params=["joserfc", "jose"])
def issued(request: pytest.FixtureRequest) -> Issued:
    """What either library issues."""
    return by_joserfc() if request.param == "joserfc" else _by_jose(request.getfixturevalue("jose"))


def _by_jose(home: Path) -> Issued:
    said = said_by(home, "issuer.mjs", ISSUER, AUDIENCE)
    return said["jwks"], said["tokens"]


async def _outcomes(issued: Issued, mounted: Callable[[str], Bearer]) -> dict[str, tuple[int, Any]]:
    """Publish the keys, present each token to an application, and return its answers."""
    keys, tokens = issued
    publisher, app = web.Application(), web.Application()
    publisher.router.add_get("/jwks", _answering(keys))
    app.router.add_get("/", _tenant)
    async with serving(publisher) as published:
        mounted(f"{published}/jwks").mount(app)
        async with serving(app) as url, aiohttp.ClientSession(url) as session:
            found = {}
            for alg, token in tokens.items():
                async with session.get("/", headers=bearer(token)) as answer:
                    found[alg] = answer.status, (await answer.json()).get("tenant")
    return found


def _answering(document: dict[str, Any]) -> Callable[[web.Request], Any]:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(document)

    return answer


async def _tenant(request: web.Request) -> web.Response:
    return web.json_response({"tenant": request[CLAIMS]["tenant"]})


async def test_tokens_of_another_library_are_honoured(issued: Issued) -> None:
    """In each algorithm, whatever else its issuer publishes; what no key of ours signed is nobody's."""
    found = await _outcomes(issued, lambda url: Bearer(issuer=ISSUER, audience=AUDIENCE, jwks_url=url))

    assert dict.fromkeys(issued[1], (200, "acme")) | {"ES512": (401, None)} == found


async def test_a_weak_key_beside_them_costs_nobody_anything(issued: Issued) -> None:
    """An issuer that publishes a key for which anybody can sign is believed with its other keys."""
    keys, tokens = issued
    weak = {"kty": "OKP", "crv": "Ed25519", "kid": "weak", "x": "AQ" + "A" * 41}
    found = await _outcomes(
        ({"keys": [weak, *keys["keys"], {"kty": "EC"}]}, tokens),
        lambda url: Bearer(issuer=ISSUER, audience=(AUDIENCE, "https://unused.example"), jwks_url=url),
    )

    assert dict.fromkeys(tokens, (200, "acme")) | {"ES512": (401, None)} == found


async def test_tokens_of_another_library_for_others_are_refused(issued: Issued) -> None:
    """Another resource of the same issuer, and another issuer with the same keys."""
    for policy in (
        {"issuer": ISSUER, "audience": "https://third.example"},
        {"issuer": "https://x", "audience": AUDIENCE},
    ):
        found = await _outcomes(issued, lambda url, policy=policy: Bearer(**policy, jwks_url=url))  # type: ignore[misc]

        assert dict.fromkeys(issued[1], (401, None)) == found
