import json
from pathlib import Path

import pytest
from yarl import URL

from dualtoken.auth_service.keys import jwk_file
from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import Auth


async def test_metadata_names_the_endpoints(start_auth: StartAuth) -> None:
    """The RFC 8414 document names /refresh and /logout under the issuer."""
    auth = await start_auth(issuer="https://auth.example/tenant/")
    metadata = await (await auth.client.get("/.well-known/oauth-authorization-server")).json()

    assert "https://auth.example/tenant/" == metadata["issuer"]
    assert "https://auth.example/tenant/token" == metadata["token_endpoint"]
    assert "https://auth.example/tenant/logout" == metadata["revocation_endpoint"]
    assert "https://auth.example/tenant/.well-known/jwks.json" == metadata["jwks_uri"]
    assert ["refresh_token"] == metadata["grant_types_supported"]
    methods = metadata["introspection_endpoint_auth_methods_supported"]
    assert ["client_secret_basic", "client_secret_post", "Bearer"] == methods


@pytest.mark.parametrize(
    ("issuer", "path", "status"),
    [
        ("https://auth.example/tenant", "/tenant", 200),
        ("https://auth.example/tenant/", "/tenant", 200),
        ("https://auth.example/a/b%20c", "/a/b%20c", 200),
        ("https://auth.example/tenant", "/tenant/", 404),
        ("https://auth.example/tenant", "/tenan", 404),
        ("https://auth.example/tenant", "/tenant/x", 404),
        ("https://auth.example/tenant", "/TENANT", 404),
        ("https://auth.example", "/x", 404),
        ("https://auth.example", "/", 404),
    ],
)
async def test_metadata_of_an_issuer_with_a_path(start_auth: StartAuth, issuer: str, path: str, status: int) -> None:
    """RFC 8414 §3.1: the well-known part stands between the host and the issuer's path, without its last slash."""
    auth = await start_auth(issuer=issuer)
    response = await auth.client.get(URL(f"/.well-known/oauth-authorization-server{path}", encoded=True))

    assert status == response.status
    assert issuer == (await response.json()).get("issuer", issuer)


async def test_metadata_may_be_kept_for_an_hour(auth: Auth) -> None:
    """It changes with the settings alone."""
    response = await auth.client.get("/.well-known/oauth-authorization-server")

    assert "public, max-age=3600" == response.headers["Cache-Control"]


async def test_keys_are_asked_for_each_time(auth: Auth) -> None:
    """No cache keeps a key from those who need it now; who has the current set is told so, without a body."""
    path = "/.well-known/jwks.json"
    first = await auth.client.get(path)
    tag = first.headers["ETag"]
    again = [await auth.client.get(path, headers={"If-None-Match": value}) for value in (tag, f'"x", W/{tag}', "*")]
    changed = await auth.client.get(path, headers={"If-None-Match": '"another"'})

    assert "public, no-cache" == first.headers["Cache-Control"]
    assert [(304, tag, b"")] * 3 == [(each.status, each.headers["ETag"], await each.read()) for each in again]
    assert (200, tag) == (changed.status, changed.headers["ETag"])


async def test_a_shared_key_is_never_published(auth: Auth) -> None:
    """With a shared key the JWK Set is empty."""
    assert {"keys": []} == await (await auth.client.get("/.well-known/jwks.json")).json()


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
async def test_public_halves_are_published(start_auth: StartAuth, tmp_path: Path, algorithm: str) -> None:
    """With a key pair, the JWK Set holds the public half, and no private member."""
    path = tmp_path / "pair.jwks.json"
    jwk_file.create(path, algorithm)
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
