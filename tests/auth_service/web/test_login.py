import asyncio

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient

from dualtoken.auth_service.app import create_app
from dualtoken.auth_service.login_guard.delay import DelayedRefusal
from dualtoken.auth_service.login_guard.hashing import Passwords
from dualtoken.auth_service.settings import Settings
from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import FAST_HASHER, PASSWORD, Auth, AuthServer, HeldBack
from tests.connection import connected

WRONG = "not the password"


async def log_in(auth: Auth, username: str, password: str, **options: object) -> ClientResponse:
    """Send user name and password."""
    return await auth.post("/login", {"username": username, "password": password}, **options)


async def test_log_in_answers_both_tokens_and_the_user(auth: Auth) -> None:
    """A log-in answers an access token, a refresh token, their lives, the scope and who the user is."""
    body = await auth.log_in()

    assert {"username": "zs", "email": "zs@example.org"} == body["userInfo"]
    assert ("Bearer", 3600, 604_800, "read write") == (
        body["token_type"],
        body["expires_in"],
        body["refresh_expires_in"],
        body["scope"],
    )
    assert body["refresh_token"].startswith("dtr1_")


async def test_tokens_are_never_cached(auth: Auth) -> None:
    """An answer that carries a token says Cache-Control: no-store."""
    response = await log_in(auth, "zs", PASSWORD)

    assert "no-store" == response.headers["Cache-Control"]
    assert "application/json" == response.content_type


async def test_log_in_takes_a_form(auth: Auth) -> None:
    """The body may be application/x-www-form-urlencoded."""
    response = await auth.post("/login", data={"username": "zs", "password": PASSWORD})

    assert 200 == response.status


async def test_log_in_adds_one_session(auth: Auth) -> None:
    """A log-in is one row, at generation 0."""
    await auth.log_in()

    assert [("u-1", 0)] == auth.sql("SELECT user_id, generation FROM sessions")


async def test_an_unknown_user_and_a_wrong_password_get_one_answer(auth: Auth) -> None:
    """The answer for an unknown user is that for a wrong password, byte by byte, headers included."""
    unknown, wrong = await log_in(auth, "nobody", PASSWORD), await log_in(auth, "zs", WRONG)

    assert (401, await wrong.read()) == (unknown.status, await unknown.read())
    assert "invalid_credentials" == (await unknown.json())["error"]
    volatile = {"Date", "X-Request-ID"}
    assert {name: value for name, value in wrong.headers.items() if name not in volatile} == {
        name: value for name, value in unknown.headers.items() if name not in volatile
    }


@pytest.mark.parametrize(("username", "password"), [("nobody", PASSWORD), ("zs", WRONG), ("zs", PASSWORD)])
async def test_every_log_in_verifies_one_hash(auth: Auth, username: str, password: str) -> None:
    """Unknown user, wrong password, right password: each costs the verification of one hash, so one time."""
    await log_in(auth, username, password)

    assert 1 == auth.hasher.verified


async def test_a_disabled_user_is_refused_like_an_unknown_one(auth: Auth) -> None:
    """A disabled user gets the answer for a wrong password, after the same verification."""
    auth.sql("UPDATE users SET disabled_at = 1")

    disabled, unknown = await log_in(auth, "zs", PASSWORD), await log_in(auth, "nobody", PASSWORD)

    assert (401, await unknown.read()) == (disabled.status, await disabled.read())
    assert 2 == auth.hasher.verified


async def test_a_refused_log_in_opens_no_session(auth: Auth) -> None:
    """A wrong password leaves no row behind."""
    await log_in(auth, "zs", WRONG)

    assert [(0,)] == auth.sql("SELECT count(*) FROM sessions")


async def test_failures_are_limited_per_user_name(start_auth: StartAuth) -> None:
    """After AUTH_LOGIN_FAILURES failures a name gets 429 with Retry-After, and no password is looked at."""
    auth = await start_auth(login_failures=3)
    for _ in range(3):
        assert 401 == (await log_in(auth, "zs", WRONG)).status

    response = await log_in(auth, "zs", PASSWORD)

    assert (429, "too_many_attempts") == (response.status, (await response.json())["error"])
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert 3 == auth.hasher.verified


async def test_a_refusal_is_held_back(start_auth: StartAuth) -> None:
    """Who is refused unseen hears of it a second late; meanwhile nobody else waits."""
    sleep = HeldBack()
    auth = await start_auth(DelayedRefusal(sleep), login_failures=1)
    await log_in(auth, "somebody", WRONG)

    refused = asyncio.create_task(log_in(auth, "somebody", WRONG))
    await sleep.asleep.wait()

    assert 200 == (await log_in(auth, "zs", PASSWORD)).status
    assert not refused.done()
    sleep.awake.set()
    assert 429 == (await refused).status
    assert [1.0] == sleep.seconds


async def test_a_limited_name_limits_no_other(start_auth: StartAuth) -> None:
    """While one name waits, others log in."""
    auth = await start_auth(login_failures=1)
    await log_in(auth, "somebody", WRONG)

    assert 429 == (await log_in(auth, "somebody", WRONG)).status
    assert 200 == (await log_in(auth, "zs", PASSWORD)).status


async def test_failures_are_limited_per_address(start_auth: StartAuth) -> None:
    """Ten times the failures, over any number of names, and the address gets 429."""
    auth = await start_auth(login_failures=1)
    for number in range(10):
        assert 401 == (await log_in(auth, f"name {number}", WRONG)).status

    assert 429 == (await log_in(auth, "zs", PASSWORD)).status


async def test_the_address_is_the_one_that_a_trusted_proxy_names(settings: Settings, start_auth: StartAuth) -> None:
    """Behind a trusted proxy, failures count for the address that it forwards."""
    trusting = Settings(**{**settings.model_dump(), "trusted_proxies": "127.0.0.0/8"})
    auth = await start_auth(login_failures=1, trusted_proxies=trusting.trusted_proxies)
    await log_in(auth, "zs", WRONG, headers={"X-Forwarded-For": "192.0.2.1"})

    assert 429 == (await log_in(auth, "zs", PASSWORD, headers={"X-Forwarded-For": "192.0.2.1"})).status
    assert 200 == (await log_in(auth, "zs", PASSWORD, headers={"X-Forwarded-For": "192.0.2.2"})).status


async def test_the_user_agent_and_address_are_kept_for_the_list_of_sessions(auth: Auth) -> None:
    """A session remembers the caller's user agent, cut at 256 characters, and address."""
    await log_in(auth, "zs", PASSWORD, headers={"User-Agent": "x" * 1000})

    assert [("x" * 256, "127.0.0.1")] == auth.sql("SELECT user_agent, ip FROM sessions")


async def test_a_user_agent_of_stray_bytes_is_no_obstacle(auth: Auth) -> None:
    """Header bytes that are no UTF-8 become question marks."""
    body = b'{"username": "zs", "password": "%s"}' % PASSWORD.encode()
    head = b"POST /login HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n"
    async with connected(auth.client.host, auth.client.port) as (reader, writer):
        writer.write(head + b"User-Agent: caf\xe9\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert [("caf?",)] == auth.sql("SELECT user_agent FROM sessions")


async def test_each_application_has_the_pool_that_it_was_given(settings: Settings) -> None:
    """The hashing pool is opened when the application starts and closed when it stops."""
    opened: list[Passwords] = []

    def open_pool() -> Passwords:
        opened.append(Passwords(FAST_HASHER, cores=1))
        return opened[0]

    app = create_app(settings, make_passwords=open_pool)
    assert [] == opened
    async with TestClient(AuthServer(app, settings)):
        assert await opened[0].verify(FAST_HASHER.hash(WRONG), WRONG)

    with pytest.raises(RuntimeError, match="shutdown"):
        await opened[0].verify(FAST_HASHER.hash(WRONG), WRONG)


TYPED = {"username": "Rene\u0301", "password": "pa\u0308ssword\u3000of Rene\u0301"}
NORMAL = {"username": "Ren\xe9", "password": "p\xe4ssword of Ren\xe9"}


def store(auth: Auth, username: str, password: str) -> None:
    """Give the only account this name and the hash of this password, as they stand."""
    auth.sql("UPDATE users SET username = ?, password_hash = ?", username, FAST_HASHER.hash(password))


@pytest.mark.parametrize("stored", [TYPED, NORMAL])
async def test_one_name_and_password_are_one_however_typed(auth: Auth, stored: dict[str, str]) -> None:
    """Composed or not, with any space: an account logs in; so does one that an older release stored as it was typed."""
    store(auth, **stored)

    assert 200 == (await log_in(auth, **TYPED)).status
    assert stored is TYPED or 200 == (await log_in(auth, **NORMAL)).status


async def test_of_two_forms_of_a_name_each_is_its_own(auth: Auth) -> None:
    """Where an older release gave both forms of one name to two people, each logs in as before."""
    store(auth, **TYPED)
    columns = "email, scope, password_hash, created_at"
    auth.sql(f"INSERT INTO users (id, username, {columns}) SELECT 'u-2', ?, {columns} FROM users", NORMAL["username"])  # noqa: S608 - constants
    password = TYPED["password"]
    names = [(await (await log_in(auth, each["username"], password)).json())["userInfo"] for each in (TYPED, NORMAL)]

    assert [TYPED["username"], NORMAL["username"]] == [name["username"] for name in names]


async def test_forms_of_a_name_are_limited_together(start_auth: StartAuth) -> None:
    """Who writes one name in several ways has no more guesses."""
    auth = await start_auth(login_failures=2)
    statuses = [
        (await log_in(auth, name, "wrong")).status for name in ("\uff5as\u212b", "\uff5a\uff53\xc5", "zsA\u030a")
    ]

    assert [401, 401, 429] == statuses


@pytest.mark.parametrize("name", ["zs", "nobody"])
async def test_a_password_of_two_forms_takes_one_time(auth: Auth, name: str) -> None:
    """Whether the user exists or not, as many hashes are verified."""
    await log_in(auth, name, "wrong pa\u0308ssword")

    assert 2 == auth.hasher.verified
