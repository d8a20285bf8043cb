"""Keys rotate, and another process has looked at the files since: its tokens are good here at once."""

from typing import Any

import pytest
from pydantic import SecretStr

from auth_service import keys
from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import Auth

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
async def late(start_auth: StartAuth) -> Auth:
    """A service that read its keys before they rotated, and has not looked again."""
    return await start_auth(service_secret=SecretStr(SECRET))


@pytest.fixture
async def tokens(start_auth: StartAuth, late: Auth) -> dict[str, Any]:
    """Tokens of the new keys, from another process over the same database."""
    for path in (late.settings.access_keys, late.settings.refresh_keys):
        keys.rotate(path)
    return await (await start_auth()).log_in()


async def test_a_refresh_token_is_rotated(late: Auth, tokens: dict[str, Any]) -> None:
    """Nobody is logged out because one process is a second behind."""
    assert 200 == (await late.refresh(tokens["refresh_token"]))[0]


async def test_an_access_token_is_known(late: Auth, tokens: dict[str, Any]) -> None:
    """Its user sees the sessions."""
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    response = await late.client.get("/sessions", headers=headers)

    assert 200 == response.status


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_a_token_is_active(late: Auth, tokens: dict[str, Any], kind: str) -> None:
    """A gateway lets it through."""
    headers = {"Authorization": f"Bearer {SECRET}"}
    response = await late.post("/introspect", {"token": tokens[kind]}, headers=headers)

    assert (await response.json())["active"]


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_a_token_ends_its_session(late: Auth, tokens: dict[str, Any], kind: str) -> None:
    """A logout is no less than that."""
    await late.post("/logout", {"token": tokens[kind]})
    answer = await late.refresh(tokens["refresh_token"])

    assert (400, "revoked") == (answer[0], answer[1]["reason"])


async def test_a_new_public_key_is_published_at_once(start_auth: StartAuth, late: Auth) -> None:
    """Whoever asks for it holds a token that it signed."""
    path = late.settings.access_keys.with_name("pair.jwks.json")
    keys.create(path, "EdDSA")
    service = await start_auth(access_keys=path)
    kid = keys.rotate(path)
    published = await (await service.client.get("/.well-known/jwks.json")).json()

    assert kid == published["keys"][0]["kid"]
