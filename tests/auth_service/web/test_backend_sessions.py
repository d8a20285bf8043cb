"""``POST /sessions``: a session for a user whom the team's own backend has authenticated."""

import pytest
from pydantic import SecretStr

from tests.auth_service.conftest import StartAuth
from tests.auth_service.domain.dpop import ProofMaker
from tests.auth_service.running import START_MS, Auth, reason_of
from tests.auth_service.web.backend_calls import BACKEND_SECRET, SERVICE_SECRET, SUB, call, put
from tests.auth_service.web.test_claims import claims_in


@pytest.fixture
async def auth(start_auth: StartAuth) -> Auth:
    """A service with both secrets, and a user of the backend's who has no password."""
    auth = await start_auth(backend_secret=SecretStr(BACKEND_SECRET), service_secret=SecretStr(SERVICE_SECRET))
    assert 201 == (await put(auth, SUB, scope="read write", email="zs@example.org")).status
    return auth


async def test_a_backend_opens_a_session(auth: Auth) -> None:
    """The pair of tokens is like that of a log-in, and rotates like any other."""
    answer = await call(auth, "POST", "/sessions", {"sub": SUB})
    claims = claims_in(answer.body)

    assert (201, "no-store") == (answer.status, answer.headers["Cache-Control"])
    assert (SUB, "read write", auth.clock.now // 1000) == (claims["sub"], claims["scope"], claims["auth_time"])
    assert "amr" not in claims
    assert await auth.rotate(answer.body["refresh_token"])


async def test_each_token_tells_how_the_session_began(auth: Auth) -> None:
    """What the backend says of it, also after a refresh; and what the user's list of sessions shows."""
    began = {"amr": ["hwk", "user"], "auth_time": 1_700_000_000, "user_agent": "Firefox", "ip": "2001:db8::1"}
    answer = await call(auth, "POST", "/sessions", {"sub": SUB, **began})
    _, refreshed = await auth.refresh(answer.body["refresh_token"])
    bearer = {"Authorization": f"Bearer {refreshed['access_token']}"}
    [shown] = (await (await auth.client.get("/sessions", headers=bearer)).json())["sessions"]
    claims = claims_in(refreshed)

    assert (["hwk", "user"], 1_700_000_000) == (claims["amr"], claims["auth_time"])
    assert ("Firefox", "2001:db8::1") == (shown["user_agent"], shown["ip"])


async def test_a_clock_that_is_ahead_makes_nobody_log_in_later(auth: Auth) -> None:
    """A backend's clock may be a minute ahead; the token says now."""
    now = auth.clock.now // 1000
    answer = await call(auth, "POST", "/sessions", {"sub": SUB, "auth_time": now + 60})

    assert now == claims_in(answer.body)["auth_time"]


async def test_null_is_as_left_out(auth: Auth) -> None:
    """As many JSON libraries write what is not there."""
    absent = dict.fromkeys(("scope", "user_agent", "ip", "amr", "auth_time", "jkt", "origin"))
    answer = await call(auth, "POST", "/sessions", {"sub": SUB, **absent})

    assert (201, "read write") == (answer.status, answer.body["scope"])
    assert [("", "")] == auth.sql("SELECT user_agent, ip FROM sessions")


async def test_the_zone_of_an_address_is_left_out(auth: Auth) -> None:
    """It may be any text, and names an interface of some machine."""
    answer = await call(auth, "POST", "/sessions", {"sub": SUB, "ip": f"FE80::1%{chr(0)}eth0"})

    assert 201 == answer.status
    assert [("fe80::1",)] == auth.sql("SELECT ip FROM sessions")


async def test_a_session_may_have_no_scope(auth: Auth) -> None:
    """No word at all is a subset, too."""
    answer = await call(auth, "POST", "/sessions", {"sub": SUB, "scope": ""})
    _, refreshed = await auth.refresh(answer.body["refresh_token"])

    assert (201, "", "") == (answer.status, answer.body["scope"], refreshed["scope"])


async def test_a_session_may_have_less_than_its_user(auth: Auth) -> None:
    """For ever: a refresh does not widen it."""
    answer = await call(auth, "POST", "/sessions", {"sub": SUB, "scope": "read"})
    _, refreshed = await auth.refresh(answer.body["refresh_token"])

    assert "read" == answer.body["scope"] == refreshed["scope"]


async def test_a_session_may_be_bound_to_a_key(auth: Auth) -> None:
    """By its thumbprint: the backend proves nothing, the user's device does at each refresh."""
    maker = ProofMaker()
    answer = await call(auth, "POST", "/sessions", {"sub": SUB, "jkt": maker.jkt})
    token = answer.body["refresh_token"]
    refused = await auth.refresh(token)
    proven = await auth.post("/refresh", {"refresh_token": token}, headers={"DPoP": maker.proof(auth.clock.now)})

    assert (400, "invalid_dpop_proof") == reason_of(refused)[:2]
    assert 200 == proven.status


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"sub": "nobody"}, (404, "unknown_user")),
        ({"sub": SUB, "scope": "read admin"}, (400, "invalid_scope")),
        ({}, (400, "invalid_request")),
        ({"sub": ""}, (400, "invalid_request")),
        ({"sub": SUB, "scope": 7}, (400, "invalid_request")),
        ({"sub": SUB, "amr": ["a b"]}, (400, "invalid_request")),
        ({"sub": SUB, "amr": ["a"] * 9}, (400, "invalid_request")),
        ({"sub": SUB, "auth_time": -1}, (400, "invalid_request")),
        ({"sub": SUB, "auth_time": START_MS // 1000 + 61}, (400, "invalid_request")),
        ({"sub": SUB, "auth_time": START_MS}, (400, "invalid_request")),
        ({"sub": SUB, "ip": "somewhere"}, (400, "invalid_request")),
        ({"sub": SUB, "ip": 16909060}, (400, "invalid_request")),
        ({"sub": SUB, "user_agent": "a\nb"}, (400, "invalid_request")),
        ({"sub": SUB, "jkt": "short"}, (400, "invalid_request")),
    ],
)
async def test_what_cannot_be_opens_nothing(auth: Auth, body: dict[str, object], expected: tuple[int, str]) -> None:
    """Each has a clear error."""
    answer = await call(auth, "POST", "/sessions", body)

    assert expected == answer.error
    assert [(0,)] == auth.sql("SELECT count(*) FROM sessions")


async def test_a_disabled_user_gets_no_session(auth: Auth) -> None:
    """Whatever the backend has authenticated."""
    await put(auth, SUB, disabled=True)

    assert (403, "user_disabled") == (await call(auth, "POST", "/sessions", {"sub": SUB})).error


async def test_only_the_backend_secret_opens_sessions(auth: Auth) -> None:
    """Not a user's token, not the service secret, and not nothing."""
    token = (await auth.log_in())["access_token"]
    for secret in (token, SERVICE_SECRET, BACKEND_SECRET[:-1], ""):
        answer = await auth.post("/sessions", {"sub": SUB}, headers={"Authorization": f"Bearer {secret}"})
        assert 401 == answer.status


async def test_where_keys_are_switched_off_a_backend_binds_nothing(start_auth: StartAuth) -> None:
    """As at a log-in: the session works unbound."""
    auth = await start_auth(dpop="off", backend_secret=SecretStr(BACKEND_SECRET))
    await put(auth)
    opened = await call(auth, "POST", "/sessions", {"sub": SUB, "jkt": ProofMaker().jkt})

    assert await auth.rotate(opened.body["refresh_token"])


async def test_where_keys_are_required_a_backend_names_one(start_auth: StartAuth) -> None:
    """``AUTH_DPOP=required`` knows no back door."""
    auth = await start_auth(backend_secret=SecretStr(BACKEND_SECRET), dpop="required")
    await put(auth)

    assert (400, "invalid_dpop_proof") == (await call(auth, "POST", "/sessions", {"sub": SUB})).error
    assert 201 == (await call(auth, "POST", "/sessions", {"sub": SUB, "jkt": ProofMaker().jkt})).status
