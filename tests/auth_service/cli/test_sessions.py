import asyncio
import json

import pytest
from pydantic import SecretStr

from dualtoken.auth_service.domain.clock import wall_clock
from tests.auth_service.command_line import Run, problem
from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import Auth, ManualClock, reason_of

SECRET = "0123456789abcdef0123456789abcdef"
REVOKED = (400, "invalid_grant", "revoked")


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still now: commands read the machine's."""
    return ManualClock(wall_clock())


@pytest.fixture
async def auth(start_auth: StartAuth) -> Auth:
    """A service with a service secret."""
    return await start_auth(service_secret=SecretStr(SECRET))


async def listed(run: Run, name: str = "zs") -> list[dict[str, object]]:
    """Return the sessions of a user as programs see them."""
    finished = await asyncio.to_thread(run, "sessions", "list", name, "--json")
    assert 0 == finished.status, finished.err
    return list(json.loads(finished.out))


async def test_sessions_are_listed(run: Run, auth: Auth) -> None:
    """Programs get every member, people a table; whatever a user agent holds is text."""
    headers = {"User-Agent": "[red]browser[/red]"}
    await auth.post("/login", {"username": "zs", "password": "correct horse battery staple"}, headers=headers)
    [session] = await listed(run)
    table = await asyncio.to_thread(run, "sessions", "list", "zs")

    assert ("127.0.0.1", "[red]browser[/red]") == (session["ip"], session["user_agent"])
    assert str(session["id"]) in table.out


async def test_a_session_is_revoked(run: Run, auth: Auth) -> None:
    """The one that is named ends at once, with the reason ``operator`` in the feed; the other goes on."""
    first, second = await auth.log_in(), await auth.log_in()
    await auth.rotate(second["refresh_token"])
    ended = (await listed(run))[-1]["id"]
    finished = await asyncio.to_thread(run, "sessions", "revoke", str(ended), "--json")
    response = await auth.client.get("/revocations", headers={"Authorization": f"Bearer {SECRET}"})

    assert {"revoked": 1} == json.loads(finished.out)
    assert [(ended, "operator")] == [(each["sid"], each["reason"]) for each in (await response.json())["revoked"]]
    assert 1 == len(await listed(run))
    assert first


@pytest.mark.parametrize("session_id", ["-F3t4GnziyLD5FCQ5VVgug", "--F3t4nziyLD5FCQ5VVgug", "-juserhelpLD5FCQ5VVgug"])
async def test_an_id_that_looks_like_an_option_is_an_id(
    run: Run, auth: Auth, monkeypatch: pytest.MonkeyPatch, session_id: str
) -> None:
    """base64url has a hyphen: one id in 64 begins with one."""
    monkeypatch.setattr("dualtoken.auth_service.use_cases.sessions.new_session_id", lambda: session_id)
    token = (await auth.log_in())["refresh_token"]
    finished = await asyncio.to_thread(run, "sessions", "revoke", session_id, "--json")

    assert ({"revoked": 1}, 0) == (json.loads(finished.out), finished.status)
    assert REVOKED == reason_of(await auth.refresh(token))


async def test_all_sessions_of_a_user_are_revoked(run: Run, auth: Auth) -> None:
    """``--user`` ends them all, and the user may log in again."""
    tokens = [(await auth.log_in())["refresh_token"] for _ in range(3)]
    finished = await asyncio.to_thread(run, "sessions", "revoke", "--user", "zs")

    assert "3 revoked\n" == finished.out
    assert [REVOKED] * 3 == [reason_of(await auth.refresh(token)) for token in tokens]
    assert (await auth.log_in())["access_token"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["list", "nobody"], "no user nobody"),
        (["revoke", "--user", "nobody"], "no user nobody"),
        (["revoke", "no-such-session"], "no live session 'no-such-session'"),
        (["revoke", "\udcff"], "no live session '\\udcff'"),
        (["revoke"], "give the id of a session or --user, not both"),
        (["revoke", "x", "--user", "zs"], "give the id of a session or --user, not both"),
    ],
)
def test_what_is_not_there_is_a_problem(run: Run, arguments: list[str], expected: str) -> None:
    """One line, exit status 2."""
    run("migrate")

    assert expected == problem(run("sessions", *arguments))
