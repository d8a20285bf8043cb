import json
from pathlib import Path

import pytest

from auth_service import keys
from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import Auth


async def test_metadata_names_the_endpoints(start_auth: StartAuth) -> None:
    """The RFC 8414 document names /refresh and /logout under the issuer."""
    auth = await start_auth(issuer="https://auth.example/tenant/")
    metadata = await (await auth.client.get("/.well-known/oauth-authorization-server")).json()

    assert "https://auth.example/tenant/" == metadata["issuer"]
    assert "https://auth.example/tenant/refresh" == metadata["token_endpoint"]
    assert "https://auth.example/tenant/logout" == metadata["revocation_endpoint"]
    assert "https://auth.example/tenant/.well-known/jwks.json" == metadata["jwks_uri"]
    assert ["refresh_token"] == metadata["grant_types_supported"]


async def test_a_shared_key_is_never_published(auth: Auth) -> None:
    """With a shared key the JWK Set is empty."""
    assert {"keys": []} == await (await auth.client.get("/.well-known/jwks.json")).json()


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
async def test_public_halves_are_published(start_auth: StartAuth, tmp_path: Path, algorithm: str) -> None:
    """With a key pair, the JWK Set holds the public half, and no private member."""
    path = tmp_path / "pair.jwks.json"
    keys.create(path, algorithm)
    auth = await start_auth(access_keys=path)
    private = json.loads(path.read_text())["keys"][0]
    [published] = (await (await auth.client.get("/.well-known/jwks.json")).json())["keys"]

    assert private["kid"] == published["kid"]
    assert set(published) <= {"kty", "crv", "x", "y", "n", "e", "kid", "alg", "use"}
    assert published.items() <= private.items()


async def test_the_front_page_says_what_this_is(auth: Auth) -> None:
    """GET / is JSON that names the service."""
    body = await (await auth.client.get("/")).json()

    assert "auth_service" in body["service"]
