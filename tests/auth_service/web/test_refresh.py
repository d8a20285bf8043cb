"""``POST /refresh``: what is asked and answered."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from dualtoken.auth_service.domain.models import Presented
from dualtoken.auth_service.web.app_keys import SESSIONS
from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import Auth, reason_of
from tests.connection import aborted, connect
from tests.deadline import HANGS_S
from tests.system.eventually import eventually


async def test_a_refresh_answers_a_new_pair(auth: Auth) -> None:
    """A refresh answers a fresh access token and the successor of the refresh token."""
    first = await auth.log_in()

    status, second = await auth.refresh(first["refresh_token"])

    assert 200 == status
    assert {"token_type", "access_token", "expires_in", "refresh_token", "refresh_expires_in", "scope"} == second.keys()
    assert first["refresh_token"] != second["refresh_token"]
    assert first["access_token"] != second["access_token"]
    assert (3600, 604_800) == (second["expires_in"], second["refresh_expires_in"])


async def test_the_answer_is_never_cached(auth: Auth) -> None:
    """An answer that carries a token says Cache-Control: no-store, and so does a refusal."""
    token = (await auth.log_in())["refresh_token"]

    granted = await auth.post("/refresh", {"refresh_token": token})
    refused = await auth.post("/refresh", {"refresh_token": "x"})

    assert ("no-store", "no-store") == (granted.headers["Cache-Control"], refused.headers["Cache-Control"])


async def test_the_form_of_rfc_6749_is_accepted(auth: Auth) -> None:
    """grant_type=refresh_token&refresh_token=… as a form is a refresh."""
    token = (await auth.log_in())["refresh_token"]
    response = await auth.post("/refresh", data={"grant_type": "refresh_token", "refresh_token": token})

    assert 200 == response.status


@pytest.mark.parametrize("grant_type", ["password", "authorization_code", "", "REFRESH_TOKEN"])
async def test_another_grant_type_is_unsupported(auth: Auth, grant_type: str) -> None:
    """Another grant type is 400 unsupported_grant_type, and spends nothing."""
    token = (await auth.log_in())["refresh_token"]
    response = await auth.post("/refresh", {"grant_type": grant_type, "refresh_token": token})

    assert (400, "unsupported_grant_type") == (response.status, (await response.json())["error"])
    assert [(0,)] == auth.sql("SELECT generation FROM sessions")


async def test_a_session_stays_one_row(auth: Auth) -> None:
    """Rotations update the session's row and insert none."""
    token = (await auth.log_in())["refresh_token"]
    for _ in range(20):
        token = await auth.rotate(token)

    assert [(1, 20)] == auth.sql("SELECT count(*), max(generation) FROM sessions")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "dtr1_",
        "dtr1_" + "A" * 56,
        "dtr1_" + "A" * 57,
        "dtr2_" + "A" * 56,
        "dtr1_" + "é" * 56,
        "\x00",
        "x" * 10_000,
        "dtr1_" + "A" * 56 + "\n",
    ],
)
async def test_what_was_never_issued_is_malformed(auth: Auth, token: str) -> None:
    """Anything that is no refresh token of this service is malformed."""
    assert (400, "invalid_grant", "malformed") == reason_of(await auth.refresh(token))


async def test_one_changed_character_is_malformed(auth: Auth) -> None:
    """The MAC covers every character of the token."""
    token = (await auth.log_in())["refresh_token"]
    changed = [
        token[:index] + ("A" if token[index] != "A" else "B") + token[index + 1 :] for index in range(len(token))
    ]

    reasons = {reason_of(await auth.refresh(other)) for other in changed}

    assert {(400, "invalid_grant", "malformed")} == reasons
    assert [(0, None)] == auth.sql("SELECT generation, revoked_at FROM sessions")


async def test_an_access_token_is_no_refresh_token(auth: Auth) -> None:
    """An access token used as a refresh token is malformed."""
    access = (await auth.log_in())["access_token"]

    assert (400, "invalid_grant", "malformed") == reason_of(await auth.refresh(access))


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 129, "tab\there"])
async def test_a_bad_idempotency_key_is_refused_and_spends_nothing(auth: Auth, key: str) -> None:
    """A key that is not 1 to 128 visible ASCII characters is 400 invalid_request, and the token is still good."""
    token = (await auth.log_in())["refresh_token"]

    assert (400, "invalid_request", None) == reason_of(await auth.refresh(token, key))
    assert [(0,)] == auth.sql("SELECT generation FROM sessions")


async def test_two_idempotency_keys_are_refused_and_spend_nothing(auth: Auth) -> None:
    """A request has one Idempotency-Key at most."""
    token = (await auth.log_in())["refresh_token"]
    headers = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    response = await auth.post("/refresh", {"refresh_token": token}, headers=headers)

    assert (400, "invalid_request") == (response.status, (await response.json())["error"])
    assert [(0,)] == auth.sql("SELECT generation FROM sessions")


@pytest.mark.parametrize("key", ["!", "~", "x" * 128, '"quoted"'])
async def test_idempotency_keys_of_visible_ascii_are_good(auth: Auth, key: str) -> None:
    """1 to 128 visible ASCII characters make a key."""
    first = (await auth.log_in())["refresh_token"]

    assert await auth.rotate(first, key) == await auth.rotate(first, key)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
async def test_tokens_never_travel_in_a_url(auth: Auth, method: str) -> None:
    """GET /refresh is 405 with Allow: POST."""
    token = (await auth.log_in())["refresh_token"]
    response = await auth.client.request(method, "/refresh", params={"refresh_token": token})

    assert (405, "POST") == (response.status, response.headers["Allow"])
    assert [(0,)] == auth.sql("SELECT generation FROM sessions")


async def test_a_database_that_does_not_answer_rotates_nothing(auth: Auth) -> None:
    """When the database cannot answer: 503 unavailable with Retry-After; later the same token is good."""
    token = (await auth.log_in())["refresh_token"]
    auth.sql("ALTER TABLE sessions RENAME TO away")
    response = await auth.post("/refresh", {"refresh_token": token})
    body = await response.json()
    auth.sql("ALTER TABLE away RENAME TO sessions")

    assert (503, "unavailable", "1") == (response.status, body["error"], response.headers["Retry-After"])
    assert "sessions" not in body["error_description"]
    assert 200 == (await auth.refresh(token))[0]


async def test_a_sqlite_that_becomes_read_only_rotates_nothing(auth: Auth) -> None:
    """While SQLite takes no more writes: 503 unavailable, whoever asks; later the same token is good."""
    token = (await auth.log_in())["refresh_token"]
    with _write_protection() as protect:
        protect("ON")
        refused = [reason_of(await auth.refresh(token, "key-1")) for _ in range(3)]
        before = auth.sql("SELECT generation, revoked_at FROM sessions")
        protect("OFF")
        answer = await auth.refresh(token, "key-1")

    assert [(503, "unavailable", None)] * 3 == refused
    assert [(0, None)] == before
    assert 200 == answer[0]
    assert [(1, None)] == auth.sql("SELECT generation, revoked_at FROM sessions")


@contextmanager
def _write_protection() -> Iterator[Callable[[str], None]]:
    """Yield what lets every later transaction find SQLite read-only (``ON``), or not (``OFF``)."""
    state = "OFF"

    def set_state(new: str) -> None:
        nonlocal state
        state = new

    def begin(connection: Connection) -> None:
        connection.connection.driver_connection.execute(f"PRAGMA query_only = {state}")

    event.listen(Engine, "begin", begin)
    try:
        yield set_state
    finally:
        event.remove(Engine, "begin", begin)


async def test_a_client_that_hangs_up_does_not_cut_a_rotation_in_half(
    auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rotation that has begun is committed though its client went away, and its retry gets the successor."""
    token, begun = (await auth.log_in())["refresh_token"], asyncio.Event()
    rotations = auth.client.app[SESSIONS]._rotations
    submit = rotations.submit

    def observed(item: Presented) -> asyncio.Future[Any]:
        begun.set()
        return submit(item)

    monkeypatch.setattr(rotations, "submit", observed)
    with closing(sqlite3.connect(auth.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writer = await _begin_refresh(auth, token, "key-1")
        await asyncio.wait_for(begun.wait(), HANGS_S)
        await aborted(writer)
        other.execute("ROLLBACK")
    await eventually(lambda: auth.sql("SELECT generation FROM sessions") != [(0,)])
    before = auth.sql("SELECT generation, revoked_at FROM sessions")
    successor = await auth.rotate(token, "key-1")
    metrics = await (await auth.client.get("/metrics")).text()

    assert [(1, None)] == before == auth.sql("SELECT generation, revoked_at FROM sessions")
    assert 'auth_rotations_total{distance="1",outcome="retried"} 1.0' in metrics.splitlines()
    assert 200 == (await auth.refresh(successor))[0]


async def _begin_refresh(auth: Auth, token: str, key: str) -> asyncio.StreamWriter:
    """Send a refresh, and do not wait for the answer."""
    _, writer = await connect(auth.client.host, auth.client.port)
    body = json.dumps({"refresh_token": token}).encode()
    head = f"POST /refresh HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nIdempotency-Key: {key}\r\n"
    writer.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()
    return writer


@pytest.mark.parametrize("origins", [(), ("https://app.example",)])
async def test_a_refresh_by_get_is_told_how_it_is_done(start_auth: StartAuth, origins: tuple[str, ...]) -> None:
    """405 with Allow: POST, and the token that stood in the URL is not spent."""
    auth = await start_auth(cors_origins=origins)
    token = (await auth.log_in())["refresh_token"]
    response = await auth.client.get("/refresh", params={"refresh_token": token})
    body = await response.json()

    assert (405, "POST", "method_not_allowed") == (response.status, response.headers["Allow"], body["error"])
    assert "by POST" in body["error_description"]
    assert await auth.rotate(token)
