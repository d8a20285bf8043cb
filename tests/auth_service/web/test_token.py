"""``POST /token``: the token endpoint, grant by grant."""

import pytest

from tests.auth_service.running import Auth
from tests.auth_service.web.test_refresh_outcomes import DAY


async def post_form(auth: Auth, **fields: str) -> tuple[int, dict[str, object]]:
    """Post a form, as RFC 6749 has it."""
    answer = await auth.client.post("/token", data=fields)
    return answer.status, dict(await answer.json())


async def test_a_refresh_token_is_a_grant(auth: Auth) -> None:
    """As a form or as JSON, with the answer of ``/refresh``."""
    first = (await auth.log_in())["refresh_token"]
    status, answer = await post_form(auth, grant_type="refresh_token", refresh_token=first)
    again = await auth.post("/token", {"grant_type": "refresh_token", "refresh_token": str(answer["refresh_token"])})

    assert (200, 200) == (status, again.status)
    assert {"token_type", "access_token", "expires_in", "refresh_token", "refresh_expires_in", "scope"} <= set(answer)


async def test_both_endpoints_spend_the_same_token(auth: Auth) -> None:
    """They are one rule: a lost answer of one is repeated at the other by its key, and a replay ends the session."""
    first = (await auth.log_in())["refresh_token"]
    second = await auth.rotate(first, "key")
    body = {"grant_type": "refresh_token", "refresh_token": first}
    retried = await auth.post("/token", body, headers={"Idempotency-Key": "key"})
    replayed = await auth.post("/token", body)

    assert second == (await retried.json())["refresh_token"]
    assert "reused" == (await replayed.json())["reason"]


async def test_the_reasons_are_those_of_a_refresh(auth: Auth) -> None:
    """Malformed and expired, say."""
    first = (await auth.log_in())["refresh_token"]
    auth.clock.advance(8 * DAY)
    for token, reason in ((first, "expired"), ("x", "malformed")):
        status, answer = await post_form(auth, grant_type="refresh_token", refresh_token=token)
        assert (400, "invalid_grant", reason) == (status, answer["error"], answer["reason"])


@pytest.mark.parametrize("grant_type", ["password", "authorization_code", "client_credentials", "", "Refresh_Token"])
async def test_another_grant_is_named(auth: Auth, grant_type: str) -> None:
    """RFC 6749 §5.2."""
    status, answer = await post_form(auth, grant_type=grant_type, refresh_token="x")

    assert (400, "unsupported_grant_type") == (status, answer["error"])


@pytest.mark.parametrize("body", [{}, {"refresh_token": "x"}, {"grant_type": 7}])
async def test_the_grant_must_be_named(auth: Auth, body: dict[str, object]) -> None:
    """Here, unlike at ``/refresh``, there are several."""
    answer = await auth.post("/token", body)

    assert (400, "invalid_request") == (answer.status, (await answer.json())["error"])


async def test_the_metadata_lists_the_grants(auth: Auth) -> None:
    """RFC 8414 §2: those that are served."""
    metadata = await (await auth.client.get("/.well-known/oauth-authorization-server")).json()

    assert ("https://auth.example/token", ["refresh_token"]) == (
        metadata["token_endpoint"],
        metadata["grant_types_supported"],
    )
