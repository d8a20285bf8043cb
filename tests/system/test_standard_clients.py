"""OAuth clients that know nothing of this project refresh and revoke, unchanged."""

import asyncio
from typing import Any

import aiohttp
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from requests_oauthlib import OAuth2Session

from tests.system.calls import home, log_in, refresh
from tests.system.processes import Deployment, Service


def renew_with_authlib(auth: Service, tokens: dict[str, Any]) -> dict[str, Any]:
    """Refresh as Authlib does: a form with grant_type."""
    with AuthlibSession(client_id="any", token_endpoint_auth_method="none", token=tokens) as session:
        return dict(session.refresh_token(str(auth.url / "refresh")))


def revoke_with_authlib(auth: Service, tokens: dict[str, Any]) -> int:
    """Revoke as RFC 7009 has it."""
    with AuthlibSession(client_id="any", token_endpoint_auth_method="none") as session:
        answer = session.revoke_token(
            str(auth.url / "logout"), token=tokens["refresh_token"], token_type_hint="refresh_token"
        )
        return int(answer.status_code)


def renew_with_requests_oauthlib(auth: Service, tokens: dict[str, Any]) -> dict[str, Any]:
    """Refresh as requests-oauthlib does."""
    with OAuth2Session("any", token=tokens) as session:
        return dict(session.refresh_token(str(auth.url / "refresh"), client_id="any"))


def revoke_with_requests(auth: Service, tokens: dict[str, Any]) -> int:
    """Revoke: requests-oauthlib has no call of its own for it, but the request that oauthlib prepares."""
    with OAuth2Session("any", token=tokens) as session:
        url, headers, body = session._client.prepare_token_revocation_request(
            str(auth.url / "logout").replace("http://", "https://"), tokens["refresh_token"]
        )
        return int(session.post(url.replace("https://", "http://"), data=body, headers=headers).status_code)


async def check(deployment: Deployment, http: aiohttp.ClientSession, renew: Any, revoke: Any) -> None:
    """Log in, renew twice, use the result, revoke: the session is over then."""
    async with deployment.auth_service() as auth, deployment.resource_service() as resource:
        tokens = await log_in(http, auth)
        for _ in range(2):
            fresh = await asyncio.to_thread(renew, auth, tokens)
            assert fresh["refresh_token"] != tokens["refresh_token"]
            tokens = fresh
        assert 200 == (await home(http, resource, tokens["access_token"]))[0]
        assert 200 == await asyncio.to_thread(revoke, auth, tokens)
        status, answer = await refresh(http, auth, tokens["refresh_token"])

    assert (400, "invalid_grant", "revoked") == (status, answer["error"], answer["reason"])


async def test_authlib(deployment: Deployment, http: aiohttp.ClientSession, monkeypatch: Any) -> None:
    """Authlib refreshes and revokes."""
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    await check(deployment, http, renew_with_authlib, revoke_with_authlib)


async def test_requests_oauthlib(deployment: Deployment, http: aiohttp.ClientSession, monkeypatch: Any) -> None:
    """requests-oauthlib refreshes, and revokes with what oauthlib prepares."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    await check(deployment, http, renew_with_requests_oauthlib, revoke_with_requests)
