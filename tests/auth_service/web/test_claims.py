import asyncio
import json
from base64 import urlsafe_b64decode
from typing import Any

import pytest

from tests.auth_service.command_line import Run, problem
from tests.auth_service.running import PASSWORD, START_MS, Auth


def claims_in(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the claims of the access token of a token answer, unverified."""
    payload = answer["access_token"].split(".")[1]
    return dict(json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


async def set_claims(run: Run, claims: object) -> None:
    """Set the claims of the user, as an operator does."""
    finished = await asyncio.to_thread(run, "users", "set-claims", "zs", json.dumps(claims))
    assert 0 == finished.status, finished.err


async def test_claims_count_from_the_next_refresh(run: Run, auth: Auth) -> None:
    """A refresh tells what stands there now, and no longer what stood there before."""
    first = await auth.log_in()
    await set_claims(run, {"tenant": "acme", "roles": ["admin"]})
    _, second = await auth.refresh(first["refresh_token"])
    await set_claims(run, {"tenant": "globex"})
    _, third = await auth.refresh(second["refresh_token"])
    await set_claims(run, {})
    _, fourth = await auth.refresh(third["refresh_token"])
    told = [claims_in(each) for each in (first, second, third, fourth)]

    assert [
        {},
        {"tenant": "acme", "roles": ["admin"]},
        {"tenant": "globex"},
        {},
    ] == [{name: claims[name] for name in ("tenant", "roles") if name in claims} for claims in told]


async def test_a_log_in_tells_the_claims(run: Run, auth: Auth) -> None:
    """The first token of a session has them, too."""
    await set_claims(run, {"tenant": "acme"})

    assert "acme" == claims_in(await auth.log_in())["tenant"]


async def test_a_log_in_tells_what_was_set_while_the_password_was_hashed(
    auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No token tells claims that were replaced before it was minted."""
    verify = auth.hasher.verify

    def verify_late(hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002 - the name of the base class
        auth.sql("UPDATE users SET claims = ?", '{"tenant":"globex"}')
        return verify(hash, password)

    monkeypatch.setattr(auth.hasher, "verify", verify_late)

    assert "globex" == claims_in(await auth.log_in())["tenant"]


async def test_a_token_tells_when_and_how_its_user_logged_in(auth: Auth) -> None:
    """``auth_time`` and ``amr`` are of the log-in (RFC 9068 §2.2.1), however often the session is refreshed."""
    first = await auth.log_in()
    auth.clock.advance(3600)
    _, second = await auth.refresh(first["refresh_token"])
    told = [(claims_in(each)["auth_time"], claims_in(each)["amr"]) for each in (first, second)]

    assert [(START_MS // 1000, ["pwd"])] * 2 == told
    assert claims_in(first)["iat"] < claims_in(second)["iat"]


async def test_a_session_of_an_older_release_goes_on(auth: Auth) -> None:
    """Of a session that began before it was noted, a token tells neither."""
    token = (await auth.log_in())["refresh_token"]
    auth.sql("UPDATE sessions SET claims = NULL")
    _, answer = await auth.refresh(token)

    assert {"auth_time", "amr"}.isdisjoint(claims_in(answer))


async def test_a_token_lives_as_long_as_its_answer_says(auth: Auth) -> None:
    """Minted between two whole seconds, an access token is alive until ``expires_in`` seconds are over."""
    auth.clock.advance(0.999)
    answer = await auth.log_in()
    auth.clock.advance(answer["expires_in"] - 0.001)
    sessions = await auth.client.get("/sessions", headers={"Authorization": f"Bearer {answer['access_token']}"})

    assert 200 == sessions.status


@pytest.mark.parametrize(
    ("claims", "named"),
    [
        ('{"sub": "somebody else"}', "'sub' is reserved"),
        ('{"exp": 4102444800}', "'exp' is reserved"),
        ('{"a": 1, "a": 2}', "twice"),
        ("[]", "not a JSON object"),
        (json.dumps({"a": "x" * 2048}), "2048"),
    ],
)
def test_claims_that_cannot_be_are_named(run: Run, claims: str, named: str) -> None:
    """One line, exit 2, and what was set before stays."""
    run("users", "add", "zs", "--email", "zs@example.org", stdin=f"{PASSWORD}\n")
    run("users", "set-claims", "zs", '{"tenant": "acme"}')

    assert named in problem(run("users", "set-claims", "zs", claims))
    assert [{"tenant": "acme"}] == [user["claims"] for user in json.loads(run("users", "list", "--json").out)]


def test_claims_that_would_make_a_token_too_long_are_named(run: Run) -> None:
    """They are refused when they are set: a token that no verifier reads is never minted."""
    name, email = "𐀀" * 255, "𐀀" * 250 + "@b.c"
    added = run("users", "add", name, "--email", email, "--scope", "x" * 1024, stdin=f"{PASSWORD}\n")
    refused = run("users", "set-claims", name, json.dumps({"a": "x" * 2000}))

    assert 0 == added.status
    assert "8192 that verifiers read" in problem(refused)
