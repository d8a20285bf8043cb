from typing import Any

import pytest
from pydantic import SecretStr
from yarl import URL

from dualtoken.auth_service.domain.models import Session
from dualtoken.auth_service.web.app_keys import SESSIONS
from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import FAST_HASHER, PASSWORD, START_MS, Auth, reason_of
from tests.auth_service.store.conftest import migrate
from tests.postgresql import Cluster

NEW = "a fresh and longer password"
START_S = START_MS // 1000


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    """Return the header of an access token."""
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def sessions(auth: Auth, tokens: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the list of sessions as the bearer sees it."""
    response = await auth.client.get("/sessions", headers=bearer(tokens))
    assert 200 == response.status
    assert "no-store" == response.headers["Cache-Control"]
    return list((await response.json())["sessions"])


async def change_password(auth: Auth, tokens: dict[str, Any], current: str, new: str) -> int:
    """Return the status of a change of password."""
    body = {"current_password": current, "new_password": new}
    return (await auth.post("/password", body, headers=bearer(tokens))).status


async def test_users_see_their_own_sessions(auth: Auth) -> None:
    """A session is shown with its times, its client, and whether it is the caller's; no token is."""
    await auth.post("/login", {"username": "zs", "password": PASSWORD}, headers={"User-Agent": "Firefox"})
    auth.clock.advance(60)
    tokens = await auth.log_in()
    own, other = await sessions(auth, tokens)

    assert {"id", "created_at", "last_seen_at", "expires_at", "user_agent", "ip", "current"} == own.keys()
    assert (True, False) == (own["current"], other["current"])
    assert ("Firefox", "127.0.0.1") == (other["user_agent"], other["ip"])
    assert (START_S, START_S, START_S + 604_800) == (other["created_at"], other["last_seen_at"], other["expires_at"])


async def test_a_user_has_no_more_sessions_than_allowed(start_auth: StartAuth) -> None:
    """Beyond AUTH_SESSIONS_PER_USER, a log-in revokes the session not seen for longest, and counts it."""
    auth = await start_auth(sessions_per_user=2)
    first, second = await auth.log_in(), await auth.log_in()
    auth.clock.advance(1)
    token = await auth.rotate(first["refresh_token"])
    tokens = await auth.log_in()
    metrics = await (await auth.client.get("/metrics")).text()

    assert 2 == len(await sessions(auth, tokens))
    assert (400, "invalid_grant", "revoked") == reason_of(await auth.refresh(second["refresh_token"]))
    assert 'auth_revocations_total{reason="session_limit"} 1.0' in metrics.splitlines()
    assert await auth.rotate(token)


async def test_a_session_that_the_next_log_in_ended_before_its_answer_is_no_wrong_password(
    start_auth: StartAuth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tokens are answered as a moment earlier; their first refresh tells that it ended."""
    auth = await start_auth(sessions_per_user=1)
    store, next_ones = auth.client.app[SESSIONS]._store, []
    find = store.find_session

    async def find_later(session_id: str) -> Session | None:
        monkeypatch.undo()
        next_ones.append(await auth.log_in())
        return await find(session_id)

    monkeypatch.setattr(store, "find_session", find_later)
    tokens = await auth.log_in()

    assert (400, "invalid_grant", "revoked") == reason_of(await auth.refresh(tokens["refresh_token"]))
    assert await auth.rotate(next_ones[0]["refresh_token"])


async def test_a_rotation_is_a_sign_of_life(auth: Auth) -> None:
    """After a refresh, the session was last seen now, and lives from now on; it began when it began."""
    tokens = await auth.log_in()
    auth.clock.advance(60)
    await auth.rotate(tokens["refresh_token"])
    [own] = await sessions(auth, tokens)

    assert (START_S, START_S + 60, START_S + 60 + 604_800) == (
        own["created_at"],
        own["last_seen_at"],
        own["expires_at"],
    )


async def test_users_end_their_sessions(auth: Auth) -> None:
    """A session is ended by its id, 204; it is gone from the list, and its token is revoked."""
    lost, tokens = await auth.log_in(), await auth.log_in()
    [lost_id] = [session["id"] for session in await sessions(auth, tokens) if not session["current"]]
    response = await auth.client.delete(f"/sessions/{lost_id}", headers=bearer(tokens))

    assert 204 == response.status
    assert [True] == [session["current"] for session in await sessions(auth, tokens)]
    assert (400, "invalid_grant", "revoked") == reason_of(await auth.refresh(lost["refresh_token"]))


@pytest.mark.parametrize("which", ["unknown", "another's", "ended"])
async def test_any_other_session_is_not_found(auth: Auth, which: str) -> None:
    """An id that is unknown, another user's, or of a session that has ended is 404 in one answer."""
    tokens = await auth.log_in()
    columns = "email, scope, password_hash, created_at"
    auth.sql(f"INSERT INTO users (id, username, {columns}) SELECT 'u-2', 'mk', {columns} FROM users")  # noqa: S608 - constants
    theirs = await auth.log_in("mk")
    [their_id] = [session["id"] for session in await sessions(auth, theirs)]
    if which == "ended":
        auth.sql("UPDATE sessions SET revoked_at = 1, user_id = 'u-1' WHERE user_id = 'u-2'")
    path = f"/sessions/{their_id if which != 'unknown' else 'x'}"
    response = await auth.client.delete(path, headers=bearer(tokens))

    assert (404, "not_found") == (response.status, (await response.json())["error"])
    assert which == "ended" or 200 == (await auth.refresh(theirs["refresh_token"]))[0]


@pytest.mark.parametrize("session_id", ["a%00b", "x" * 21, "x" * 21 + "%C3%A9", "x" * 22 + "%0A", "x" * 22])
async def test_what_is_no_session_id_is_not_found(start_auth: StartAuth, postgresql: Cluster, session_id: str) -> None:
    """Whatever stands there, with a database that takes no NUL as well."""
    postgresql.execute("DROP DATABASE IF EXISTS session_ids WITH (FORCE)", "CREATE DATABASE session_ids")
    url = postgresql.url("session_ids")
    await migrate(url)
    auth = await start_auth(database_url=SecretStr(url))
    response = await auth.client.delete(
        URL(f"/sessions/{session_id}", encoded=True), headers=bearer(await auth.log_in())
    )

    assert (404, "not_found") == (response.status, (await response.json())["error"])


async def test_a_new_password_ends_every_other_session(auth: Auth) -> None:
    """A change of password keeps the caller's session and revokes all others; only the new password is good."""
    other, tokens = await auth.log_in(), await auth.log_in()

    assert 204 == await change_password(auth, tokens, PASSWORD, NEW)
    assert (400, "invalid_grant", "revoked") == reason_of(await auth.refresh(other["refresh_token"]))
    assert 200 == (await auth.refresh(tokens["refresh_token"]))[0]
    assert 401 == (await auth.post("/login", {"username": "zs", "password": PASSWORD})).status
    assert (await auth.log_in(password=NEW))["access_token"]


async def test_a_wrong_current_password_changes_nothing(auth: Auth) -> None:
    """Without the current password nothing is changed and nobody is logged out."""
    other, tokens = await auth.log_in(), await auth.log_in()

    assert 401 == await change_password(auth, tokens, "wrong", NEW)
    assert 200 == (await auth.refresh(other["refresh_token"]))[0]
    assert (await auth.log_in())["access_token"]


@pytest.mark.parametrize("new", ["x", "password12345678"])
async def test_who_does_not_know_the_current_password_has_no_other_judged(auth: Auth, new: str) -> None:
    """The current password is looked at first: with a wrong one, a bad new one is neither scored nor hashed."""
    tokens = await auth.log_in()

    assert 401 == await change_password(auth, tokens, "wrong", new)
    assert 400 == await change_password(auth, tokens, PASSWORD, new)


async def test_bad_new_passwords_are_limited(start_auth: StartAuth) -> None:
    """Each costs the hash of the current one and a score: they count as wrong ones do."""
    auth = await start_auth(login_failures=2)
    tokens = await auth.log_in()
    statuses = [await change_password(auth, tokens, PASSWORD, "password12345678") for _ in range(3)]

    assert [400, 400, 429] == statuses
    assert (await auth.log_in())["access_token"]


async def test_a_stolen_access_token_guesses_no_password(start_auth: StartAuth) -> None:
    """Wrong current passwords are limited as failed log-ins are, and lock no log-in of the owner."""
    auth = await start_auth(login_failures=2)
    tokens = await auth.log_in()
    statuses = [await change_password(auth, tokens, "wrong", NEW) for _ in range(3)]

    assert [401, 401, 429] == statuses
    assert (await auth.log_in())["access_token"]


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        ("x" * 7 + "yz12345", "at least 15"),
        ("abcabcabcabcabcabc", "easy"),
        ("zs@example.org 1234", "name"),
        ("password12345678", "easy"),
    ],
)
async def test_a_new_password_obeys_the_rules(auth: Auth, new: str, problem: str) -> None:
    """What is too short, a repetition, easy to guess or little more than a name is 400, which says so."""
    tokens = await auth.log_in()
    body = {"current_password": PASSWORD, "new_password": new}
    response = await auth.post("/password", body, headers=bearer(tokens))
    answer = await response.json()

    assert (400, "invalid_request") == (response.status, answer["error"])
    assert problem in answer["error_description"]
    assert (await auth.log_in())["access_token"]


async def test_the_least_length_is_the_operators(start_auth: StartAuth) -> None:
    """AUTH_PASSWORD_MIN_LENGTH says from where on; common passwords are refused at any length."""
    auth = await start_auth(password_min_length=8)
    tokens = await auth.log_in()

    assert 400 == await change_password(auth, tokens, PASSWORD, "sunshine")
    assert 204 == await change_password(auth, tokens, PASSWORD, "kq7vxw2m")


@pytest.mark.parametrize("end", ["UPDATE users SET disabled_at = 1", "UPDATE sessions SET revoked_at = 1"])
async def test_what_ends_the_session_meanwhile_wins_over_a_new_password(
    auth: Auth, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """A user disabled, or a session revoked, while the new password is hashed: 401, and the old hash stays."""
    tokens, before = await auth.log_in(), auth.sql("SELECT password_hash FROM users")

    def hash_late(password: str | bytes, **options: Any) -> str:
        auth.sql(end)
        return FAST_HASHER.hash(password, **options)

    monkeypatch.setattr(auth.hasher, "hash", hash_late)

    assert 401 == await change_password(auth, tokens, PASSWORD, NEW)
    assert before == auth.sql("SELECT password_hash FROM users")


@pytest.mark.parametrize("new", ["", "x" * 7])
async def test_the_limit_that_is_told_is_the_one_that_holds(start_auth: StartAuth, new: str) -> None:
    """A password that is too short is told AUTH_PASSWORD_MIN_LENGTH, however short it is."""
    auth = await start_auth(password_min_length=12)
    tokens = await auth.log_in()
    body = {"current_password": PASSWORD, "new_password": new}
    response = await auth.post("/password", body, headers=bearer(tokens))

    assert 400 == response.status
    assert "new_password: must have at least 12 characters." == (await response.json())["error_description"]


@pytest.mark.parametrize("new", ["x" * 1025, 7, None])
async def test_a_new_password_that_cannot_be_is_an_invalid_request(auth: Auth, new: object) -> None:
    """A bad new password is 400, before the current one is looked at."""
    tokens = await auth.log_in()
    verified = auth.hasher.verified
    body = {"current_password": PASSWORD, "new_password": new}
    response = await auth.post("/password", body, headers=bearer(tokens))

    assert (400, "invalid_request") == (response.status, (await response.json())["error"])
    assert verified == auth.hasher.verified


async def test_a_new_password_is_one_however_it_is_typed(auth: Auth) -> None:
    """What was set on one keyboard is the current password on another, and logs in."""
    composed, decomposed = "mon pr\xe9cieux mot de passe", "mon pre\u0301cieux\xa0mot de passe"
    tokens = await auth.log_in()

    assert 204 == await change_password(auth, tokens, PASSWORD, decomposed)
    assert (await auth.log_in(password=composed))["access_token"]
    assert 204 == await change_password(auth, tokens, composed, NEW)
