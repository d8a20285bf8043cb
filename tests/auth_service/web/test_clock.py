"""A machine whose clock is wrong, by days or by years."""

from typing import Any

from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import Auth, ManualClock, reason_of

DAY_S = 86_400
DIFFERS = (503, "unavailable", None)


async def refused(auth: Auth, token: str) -> tuple[int, dict[str, Any], bool]:
    """Return status, body and whether a cookie was touched."""
    answer = await auth.post("/refresh", {"refresh_token": token})
    return answer.status, dict(await answer.json()), "Set-Cookie" in answer.headers


async def test_a_clock_that_jumps_by_days_ends_no_session(start_auth: StartAuth) -> None:
    """It answers 503, and tells of the clock; once it is right again, so is the token."""
    auth = await start_auth(steady=ManualClock(0))
    token = (await auth.log_in())["refresh_token"]
    for days in (2, 10, 400, -3):
        auth.clock.advance(days * DAY_S)
        status, body, has_cookie = await refused(auth, token)
        auth.clock.advance(-days * DAY_S)

        assert DIFFERS == reason_of((status, body))
        assert "clock" in body["error_description"]
        assert not has_cookie
    assert 200 == (await auth.refresh(token))[0]


async def test_nothing_else_is_said_by_a_wrong_clock(start_auth: StartAuth) -> None:
    """No log-in, no log-out, no list of sessions, no news for verifiers: each would be of a wrong time."""
    auth = await start_auth(steady=ManualClock(0))
    tokens = await auth.log_in()
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    auth.clock.advance(10 * DAY_S)
    answers = [
        await auth.post("/logout", {"token": tokens["refresh_token"]}),
        await auth.client.get("/sessions", headers=bearer),
        await auth.client.get("/health/ready"),
    ]

    assert [503, 503, 503] == [answer.status for answer in answers]
    assert {"status": "unready", "checks": {"clock": False}} == await answers[-1].json()
    assert 200 == (await auth.client.get("/health/live")).status


async def test_a_machine_that_slept_is_believed(start_auth: StartAuth) -> None:
    """Time passed on both clocks: a session that was idle for too long has expired."""
    steady = ManualClock(0)
    auth = await start_auth(steady=steady)
    token = (await auth.log_in())["refresh_token"]
    for clock in (auth.clock, steady):
        clock.advance(8 * DAY_S)

    assert (400, "invalid_grant", "expired") == reason_of(await auth.refresh(token))


async def test_a_service_whose_clock_is_behind_its_database(start_auth: StartAuth) -> None:
    """A machine without a battery starts in 1970: it opens and ends nothing until its clock is set."""
    token = (await (await start_auth()).log_in())["refresh_token"]
    auth = await start_auth(steady=ManualClock(0))
    now, auth.clock.now = auth.clock.now, 1000
    early = await auth.refresh(token)
    auth.clock.now = now

    assert DIFFERS == reason_of(early)
    assert 200 == (await auth.refresh(token))[0]
