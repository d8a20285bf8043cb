"""Keys rotate, and another process has looked at the files since: its tokens are good here at once."""

import json
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from dualtoken.auth_service.domain.jwk import secret_of
from dualtoken.auth_service.domain.models import new_session_id
from dualtoken.auth_service.keys import jwk_file
from dualtoken.auth_service.tokens.refresh import RefreshKey, RefreshTokens
from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import Auth, reason_of

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
async def late(start_auth: StartAuth) -> Auth:
    """A service that read its keys before they rotated, and has not looked again."""
    return await start_auth(service_secret=SecretStr(SECRET))


@pytest.fixture
async def tokens(start_auth: StartAuth, late: Auth) -> dict[str, Any]:
    """Tokens of the new keys, from another process over the same database."""
    for path in (late.settings.access_keys, late.settings.refresh_keys):
        jwk_file.rotate(path)
    return await (await start_auth()).log_in()


async def test_a_refresh_token_is_rotated(late: Auth, tokens: dict[str, Any]) -> None:
    """Nobody is logged out because one process is a second behind."""
    assert 200 == (await late.refresh(tokens["refresh_token"]))[0]


async def test_an_access_token_is_known(late: Auth, tokens: dict[str, Any]) -> None:
    """Its user sees the sessions."""
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    response = await late.client.get("/sessions", headers=headers)

    assert 200 == response.status


async def test_an_access_token_is_active(late: Auth, tokens: dict[str, Any]) -> None:
    """A gateway lets it through."""
    headers = {"Authorization": f"Bearer {SECRET}"}
    response = await late.post("/introspect", {"token": tokens["access_token"]}, headers=headers)

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
    jwk_file.create(path, "EdDSA")
    service = await start_auth(access_keys=path)
    kid = jwk_file.rotate(path)
    published = await (await service.client.get("/.well-known/jwks.json")).json()

    assert kid == published["keys"][0]["kid"]


async def test_a_secret_of_the_other_file_is_not_taken_over(start_auth: StartAuth) -> None:
    """Whoever verifies with the access key makes no refresh tokens with it, also after a slip of the operator."""
    auth = await start_auth()
    token = (await auth.log_in())["refresh_token"]
    path, shared = auth.settings.refresh_keys, jwk_file.read_key_file(auth.settings.access_keys)[0]
    path.write_text(json.dumps({"keys": [shared, *jwk_file.read_key_file(path)]}))
    with capture_logs() as logs:
        forged = RefreshTokens([RefreshKey(shared["kid"], secret_of(shared))]).encode(new_session_id(), 0)
        verdict = await auth.refresh(forged)

    assert (400, "invalid_grant", "malformed") == reason_of(verdict)
    assert "hold the same secret" in next(line["problem"] for line in logs if line["event"] == "keys.reload_failed")
    assert 200 == (await auth.refresh(token))[0]
