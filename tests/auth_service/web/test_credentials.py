"""Who may call: access tokens for a user's own account, the service secret for verifiers, and nothing else."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import Auth

REALM = 'Bearer realm="https://auth.example"'
SECRET = "0123456789abcdef0123456789abcdef"
USER_CALLS = [("GET", "/sessions"), ("DELETE", "/sessions/x"), ("POST", "/password")]
SERVICE_CALLS = [("POST", "/introspect"), ("GET", "/revocations")]


async def refused(auth: Auth, method: str, path: str, *authorization: str) -> bool:
    """Whether a call with these Authorization headers is a 401 of the one shape, with a challenge that says why."""
    return ("invalid_token", f'{REALM}, error="invalid_token"') == await answer(auth, method, path, *authorization)


async def answer(auth: Auth, method: str, path: str, *authorization: str) -> tuple[str, str]:
    """Return error and challenge of the 401 that a call with these Authorization headers gets."""
    headers = [("Authorization", value) for value in authorization]
    response = await auth.client.request(method, path, headers=headers, json={"token": "x"})
    body = await response.json()

    assert 401 == response.status
    return body["error"], response.headers["WWW-Authenticate"]


@pytest.mark.parametrize(("method", "path"), USER_CALLS + SERVICE_CALLS)
@pytest.mark.parametrize("authorization", [["Bearer"], ["Bearer "], ["Bearer x"], ["Bearer a", "Bearer b"]])
async def test_a_call_without_good_credentials_is_refused(
    start_auth: StartAuth, method: str, path: str, authorization: list[str]
) -> None:
    """Noise, nothing, two headers: 401 invalid_token with a challenge."""
    auth = await start_auth(service_secret=SecretStr(SECRET))

    assert await refused(auth, method, path, *authorization)


@pytest.mark.parametrize(
    ("method", "path", "authorization"),
    [(*call, authorization) for call in USER_CALLS + SERVICE_CALLS for authorization in ([], [""], ["Digest eDp4"])]
    + [(*call, ["Basic eDp4"]) for call in USER_CALLS],
)
async def test_a_call_without_credentials_is_told_what_is_needed(
    start_auth: StartAuth, method: str, path: str, authorization: list[str]
) -> None:
    """None, or those of another scheme: the challenge names the realm and no error (RFC 6750 §3.1)."""
    auth = await start_auth(service_secret=SecretStr(SECRET))

    assert ("missing_credentials", REALM) == await answer(auth, method, path, *authorization)


@pytest.mark.parametrize(("method", "path"), SERVICE_CALLS)
@pytest.mark.parametrize("authorization", [[], ["Bearer x"], ["Basic eDp4"]])
async def test_a_caller_that_is_no_service_leaves_its_event(
    auth: Auth, method: str, path: str, authorization: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """With a wrong secret or none at all."""
    await answer(auth, method, path, *authorization)

    assert 1 == capsys.readouterr().out.count("service.refused")


@pytest.mark.parametrize(("method", "path"), USER_CALLS)
async def test_a_refresh_token_is_no_access_token(auth: Auth, method: str, path: str) -> None:
    """A refresh token used as an access token is refused, and not spent."""
    token = (await auth.log_in())["refresh_token"]

    assert await refused(auth, method, path, f"Bearer {token}")
    assert 200 == (await auth.refresh(token))[0]


@pytest.mark.parametrize(("method", "path"), SERVICE_CALLS)
async def test_a_user_is_no_service(start_auth: StartAuth, method: str, path: str) -> None:
    """An access token opens nothing that the service secret is for."""
    auth = await start_auth(service_secret=SecretStr(SECRET))
    token = (await auth.log_in())["access_token"]

    assert await refused(auth, method, path, f"Bearer {token}")


@pytest.mark.parametrize(("method", "path"), USER_CALLS)
async def test_a_service_is_no_user(start_auth: StartAuth, method: str, path: str) -> None:
    """The service secret opens no account."""
    auth = await start_auth(service_secret=SecretStr(SECRET))

    assert await refused(auth, method, path, f"Bearer {SECRET}")


@pytest.mark.parametrize(("method", "path"), SERVICE_CALLS)
@pytest.mark.parametrize("presented", ["", "None", SECRET])
async def test_without_a_secret_nobody_is_a_service(auth: Auth, method: str, path: str, presented: str) -> None:
    """A secret that is not configured admits nobody."""
    assert await refused(auth, method, path, f"Bearer {presented}")


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer"])
async def test_the_scheme_has_no_case(auth: Auth, scheme: str) -> None:
    """RFC 9110 §11.1: schemes are compared without case."""
    token = (await auth.log_in())["access_token"]
    response = await auth.client.get("/sessions", headers={"Authorization": f"{scheme} {token}"})

    assert 200 == response.status


@pytest.mark.parametrize("end", ["logout", "expired", "access expired", "disabled", "deleted"])
async def test_a_token_of_a_session_that_ended_is_refused(auth: Auth, end: str) -> None:
    """The session must be alive now, not only when the token was minted."""
    tokens = await auth.log_in()
    match end:
        case "logout":
            await auth.post("/logout", {"token": tokens["refresh_token"]})
        case "expired":
            auth.sql("UPDATE sessions SET expires_at = 1")
        case "access expired":
            auth.clock.advance(3600)
        case "disabled":
            auth.sql("UPDATE users SET disabled_at = 1")
        case "deleted":
            auth.sql("DELETE FROM sessions")

    assert await refused(auth, "GET", "/sessions", f"Bearer {tokens['access_token']}")


async def test_every_value_of_a_secret_is_accepted(
    start_auth: StartAuth, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A second line is a second value; when its file changes, what was taken away opens nothing any more."""
    file, new = tmp_path / "secret", SECRET[::-1]
    file.write_text(f"{SECRET}\n{new}\n")
    monkeypatch.setenv("AUTH_SERVICE_SECRET_FILE", str(file))
    auth = await start_auth(service_secret=SecretStr(file.read_text()))

    async def statuses() -> list[int]:
        headers = ({"Authorization": f"Bearer {value}"} for value in (SECRET, new))
        return [(await auth.client.get("/revocations", headers=each)).status for each in headers]

    both = await statuses()
    file.write_text(new)

    assert [200, 200] == both
    assert [401, 200] == await statuses()
