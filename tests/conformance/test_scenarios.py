"""What a client with double tokens must do. Each docstring is a line of the specification.

Only HTTP is observed: how the client behaves towards strict services, and what its caller gets.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator

import pytest

from tests.conformance.adapter import Answer, Body, BodySpent, ClientUnderTest, SessionEnded, Unavailable
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.conftest import OpenAnother
from tests.conformance.faults import Fault, Kind
from tests.conformance.pair import Control

BURST = 50


async def get(client: ClientUnderTest, pair: Control, path: str = "/things") -> int:
    """Return the status of one request to the resource service."""
    return (await client.request("GET", f"{pair.api_url}{path}")).status


async def burst(client: ClientUnderTest, pair: Control, size: int = BURST) -> list[int]:
    """Return the statuses of concurrent requests."""
    return await asyncio.gather(*(get(client, pair) for _ in range(size)))


async def failures(client: ClientUnderTest, pair: Control, size: int = BURST) -> set[type[object]]:
    """Return the kinds of what concurrent requests got."""
    calls = (client.request("GET", f"{pair.api_url}/things") for _ in range(size))
    return {type(outcome) for outcome in await asyncio.gather(*calls, return_exceptions=True)}


# The ordinary course of things


async def test_requests_carry_the_access_token(client: ClientUnderTest, pair: Control) -> None:
    """A request to the resource service is signed with the session's access token."""
    await get(client, pair)

    assert {"seen": ["Bearer at-1"]} == await pair.counts("seen")


async def test_a_live_token_is_used_again_and_again(client: ClientUnderTest, pair: Control) -> None:
    """As long as a token is good nothing is refreshed."""
    assert [200] * 20 == [await get(client, pair) for _ in range(20)]
    assert {"refresh_calls": 0} == await pair.counts("refresh_calls")


async def test_an_expiry_goes_unnoticed(client: ClientUnderTest, pair: Control) -> None:
    """A 401 is answered by one refresh and one repetition; the caller sees the answer."""
    await pair.expire()

    assert 200 == await get(client, pair)
    assert {"refresh_calls": 1, "api_requests": 2} == await pair.counts("refresh_calls", "api_requests")


async def test_expiry_after_expiry_goes_unnoticed(client: ClientUnderTest, pair: Control) -> None:
    """A session outlives any number of access tokens; each refresh presents the newest refresh token."""
    for _ in range(10):
        await pair.expire()
        assert 200 == await get(client, pair)

    assert {"rotations": 10, "reuses": 0, "most_uses": 1} == await pair.counts("rotations", "reuses", "most_uses")


async def test_a_wrong_password_is_told(client: ClientUnderTest, pair: Control) -> None:
    """A login that fails is told apart from a service in trouble, and leaves the session alone."""
    with pytest.raises(PermissionError):
        await client.login("zs", "wrong")

    assert 200 == await get(client, pair)


async def test_a_trailing_slash_changes_nothing(open_another: OpenAnother, pair: Control) -> None:
    """The auth service's address may end in a slash."""
    client = open_another(auth_url=f"{pair.auth_url}/")
    await client.login("zs", PASSWORD)
    await pair.expire()

    assert 200 == await get(client, pair)


# One refresh for everybody


async def test_a_burst_at_expiry_costs_one_refresh(client: ClientUnderTest, pair: Control) -> None:
    """Concurrent requests that meet the same dead token share one refresh, and all succeed."""
    await pair.expire()

    assert [200] * BURST == await burst(client, pair)
    assert {"refresh_calls": 1, "reuses": 0} == await pair.counts("refresh_calls", "reuses")


async def test_each_burst_costs_one_refresh(client: ClientUnderTest, pair: Control) -> None:
    """Burst after burst, expiry after expiry."""
    for _ in range(5):
        await pair.expire()
        assert [200] * BURST == await burst(client, pair)

    assert {"refresh_calls": 5, "reuses": 0} == await pair.counts("refresh_calls", "reuses")


async def test_a_late_401_refreshes_nothing(client: ClientUnderTest, pair: Control) -> None:
    """A 401 for an old token that arrives after the new one is in is answered with the new one."""
    await pair.expire()
    late = asyncio.create_task(get(client, pair, "/slow"))
    await pair.wait_for_slow()
    assert 200 == await get(client, pair)
    await pair.release()

    assert 200 == await late
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_who_began_the_refresh_may_be_cancelled(client: ClientUnderTest, pair: Control) -> None:
    """The others do not notice, and nothing is refreshed twice."""
    await pair.expire()
    await pair.fault("refresh", Fault("hang_before"))
    starter = asyncio.create_task(get(client, pair))
    await pair.wait_for_hanging()
    others = [asyncio.create_task(get(client, pair)) for _ in range(10)]
    starter.cancel()
    await asyncio.wait([starter])
    await pair.release()

    assert [200] * 10 == await asyncio.gather(*others)
    assert {"rotations": 1, "reuses": 0} == await pair.counts("rotations", "reuses")


async def test_everybody_may_be_cancelled(client: ClientUnderTest, pair: Control) -> None:
    """A refresh that nobody waits for any more is not lost: the next request goes on with the session."""
    await pair.expire()
    await pair.fault("refresh", Fault("hang_after"))
    callers = [asyncio.create_task(get(client, pair)) for _ in range(10)]
    await pair.wait_for_hanging()
    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)
    await pair.release()

    assert 200 == await get(client, pair)
    assert {"reuses": 0, "rotations": 1} == await pair.counts("reuses", "rotations")


@pytest.mark.parametrize("expires_in", [None, 0, 0.01, 1, 3600])
async def test_whatever_the_life_a_burst_costs_one_refresh(
    open_another: OpenAnother, pair: Control, expires_in: float | None
) -> None:
    """expires_in missing, zero, shorter than any margin: never a refresh for each caller."""
    await pair.set(expires_in=expires_in)
    client = open_another()
    await client.login("zs", PASSWORD)
    await pair.expire()

    assert [200] * BURST == await burst(client, pair)
    assert {"refresh_calls": 1, "reuses": 0} == await pair.counts("refresh_calls", "reuses")


async def test_a_server_whose_clock_is_ahead_goes_unnoticed(client: ClientUnderTest, pair: Control) -> None:
    """Tokens that die long before their expires_in cost one refresh each."""
    await pair.set(expire_every=10)
    statuses = [await get(client, pair) for _ in range(100)]

    assert [200] * 100 == statuses
    assert {"refresh_calls": 9, "reuses": 0} == await pair.counts("refresh_calls", "reuses")


# Lost answers


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "half"])
async def test_a_lost_answer_costs_nothing(client: ClientUnderTest, pair: Control, kind: Kind) -> None:
    """A refresh whose connection breaks before, after or in the middle of the answer is repeated without a reuse."""
    await pair.expire()
    await pair.fault("refresh", Fault(kind))

    assert [200] * BURST == await burst(client, pair)
    assert {"rotations": 1, "reuses": 0} == await pair.counts("rotations", "reuses")


async def test_answers_lost_again_and_again_cost_nothing(client: ClientUnderTest, pair: Control) -> None:
    """Three answers in a row are lost after the commit: still the same rotation."""
    await pair.expire()
    await pair.fault("refresh", *[Fault("drop_after")] * 3)

    assert 200 == await get(client, pair)
    assert {"rotations": 1, "retries": 3, "reuses": 0} == await pair.counts("rotations", "retries", "reuses")


async def test_a_repetition_is_recognisable(client: ClientUnderTest, pair: Control) -> None:
    """A repeated refresh carries the Idempotency-Key of the first; another refresh carries another."""
    await pair.expire()
    await pair.fault("refresh", Fault("drop_after"))
    await get(client, pair)
    await pair.expire()
    await get(client, pair)

    first, second, third = (await pair.state())["keys"]
    assert (True, True) == (first == second is not None, third not in (None, first))


async def test_a_refresh_that_hangs_is_repeated_in_time(open_another: OpenAnother, pair: Control) -> None:
    """One connection that hangs does not use up the time there is for a refresh."""
    client = open_another(timeout_s=3)
    await client.login("zs", PASSWORD)
    await pair.expire()
    await pair.fault("refresh", Fault("hang_after"))

    assert 200 == await get(client, pair)
    assert {"rotations": 1, "reuses": 0} == await pair.counts("rotations", "reuses")


async def test_a_lost_answer_survives_the_client(open_another: OpenAnother, pair: Control) -> None:
    """A client dies with its refresh unanswered: the next one repeats that refresh, and needs no login."""
    first = open_another(timeout_s=0.6)
    await first.login("zs", PASSWORD)
    await pair.expire()
    await pair.fault("refresh", *[Fault("drop_after")] * 20)
    with pytest.raises(Unavailable):
        await get(first, pair)
    await pair.clear_faults()

    assert 200 == await get(open_another(), pair)
    assert {"rotations": 1, "reuses": 0} == await pair.counts("rotations", "reuses")


# A service in trouble


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_trouble_that_passes_goes_unnoticed(client: ClientUnderTest, pair: Control, status: int) -> None:
    """A refresh that is answered 429 or 5xx is repeated."""
    await pair.expire()
    await pair.fault("refresh", Fault("status", status=status))

    assert [200] * BURST == await burst(client, pair)
    assert {"refresh_calls": 2} == await pair.counts("refresh_calls")


async def test_retry_after_is_honoured(client: ClientUnderTest, pair: Control) -> None:
    """A service that asks for a second gets one."""
    await pair.expire()
    await pair.fault("refresh", Fault("status", status=429, retry_after="1"))
    await get(client, pair)

    first, second = (await pair.state())["refreshed_at"]
    assert second - first >= 1


async def test_trouble_that_stays_is_told_apart_from_the_end(open_another: OpenAnother, pair: Control) -> None:
    """When time is up every caller learns that the service is unavailable; when it is back the session goes on."""
    client = open_another(timeout_s=0.6)
    await client.login("zs", PASSWORD)
    await pair.expire()
    await pair.fault("refresh", *[Fault("status", status=503)] * 50)
    assert {Unavailable} == await failures(client, pair)
    await pair.clear_faults()

    assert [200] * BURST == await burst(client, pair)
    assert {"live_sessions": 1, "reuses": 0} == await pair.counts("live_sessions", "reuses")


async def test_a_service_that_hangs_is_told_apart_from_the_end(open_another: OpenAnother, pair: Control) -> None:
    """A refresh has a deadline of its own; the session goes on afterwards, though the answer was lost."""
    client = open_another(timeout_s=0.9)
    await client.login("zs", PASSWORD)
    await pair.expire()
    await pair.fault("refresh", *[Fault("hang_after")] * 20)
    assert {Unavailable} == await failures(client, pair)
    await pair.clear_faults()

    assert 200 == await get(client, pair)
    assert {"rotations": 1, "reuses": 0} == await pair.counts("rotations", "reuses")


NONSENSE = {
    "a page": Fault("body", body="<html>", content_type="text/html"),
    "an error inside a 200": Fault("body", body='{"error": "invalid_grant"}'),
    "members missing": Fault("body", body='{"token_type": "Bearer"}'),
    "wrong types": Fault("body", body='{"token_type": "Bearer", "access_token": [], "refresh_token": 1}'),
    "half a document": Fault("body", body='{"token_type": "Bea'),
    "a header inside a token": Fault(
        "body", body=json.dumps({"token_type": "Bearer", "access_token": "a\r\nX: y", "refresh_token": "r"})
    ),
    "a 403": Fault("body", status=403, body="{}"),
    "100 MB": Fault("huge"),
}


@pytest.mark.parametrize("fault", NONSENSE.values(), ids=NONSENSE)
async def test_nonsense_is_not_the_end(client: ClientUnderTest, pair: Control, fault: Fault) -> None:
    """An answer that makes no sense logs nobody out and loses nothing: the session goes on."""
    await pair.expire()
    await pair.fault("refresh", fault)
    await failures(client, pair)

    assert 200 == await get(client, pair)
    assert {"rotations": 1, "reuses": 0} == await pair.counts("rotations", "reuses")


async def test_a_redirected_refresh_takes_no_token_along(client: ClientUnderTest, pair: Control) -> None:
    """Refresh tokens go to the auth service's address and nowhere else."""
    await pair.expire()
    await pair.fault("refresh", Fault("redirect", body=f"{pair.foreign_url}/echo"))

    assert {Unavailable} == await failures(client, pair)
    assert {"foreign_requests": 0} == await pair.counts("foreign_requests")


# The end of a session


async def test_the_end_is_told_to_everybody(client: ClientUnderTest, pair: Control) -> None:
    """When the auth service ends the session all callers learn it, and it is asked once."""
    await pair.end_sessions()

    assert {SessionEnded} == await failures(client, pair)
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_after_the_end_the_service_is_left_alone(client: ClientUnderTest, pair: Control) -> None:
    """A dead refresh token is not presented again."""
    await pair.end_sessions()
    for _ in range(5):
        await failures(client, pair, 1)

    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_a_login_begins_anew(client: ClientUnderTest, pair: Control) -> None:
    """After the end of a session a login opens another."""
    await pair.end_sessions()
    await failures(client, pair, 1)
    await client.login("zs", PASSWORD)

    assert [200] * BURST == await burst(client, pair)


async def test_a_theft_is_noticed(client: ClientUnderTest, pair: Control) -> None:
    """When a thief has used a copy of the refresh token the owner's next refresh ends the session, and says so."""
    await pair.theft()
    await pair.expire()

    assert {SessionEnded} == await failures(client, pair)
    assert {"reuses": 1, "live_sessions": 0} == await pair.counts("reuses", "live_sessions")


async def test_a_logout_ends_the_session_on_both_sides(client: ClientUnderTest, pair: Control) -> None:
    """Afterwards there is no session, neither here nor at the auth service."""
    await client.logout()

    assert {SessionEnded} == await failures(client, pair, 1)
    assert {"live_sessions": 0} == await pair.counts("live_sessions")


async def test_a_logout_everywhere_ends_all_sessions_of_the_user(client: ClientUnderTest, pair: Control) -> None:
    """Those that this client never knew, too."""
    await client.login("zs", PASSWORD)
    await client.logout(everywhere=True)

    assert {"live_sessions": 0} == await pair.counts("live_sessions")


async def test_a_logout_during_a_refresh_wins(client: ClientUnderTest, pair: Control) -> None:
    """Whoever waited learns of it, and the token that comes too late is not left alive."""
    await pair.expire()
    await pair.fault("refresh", Fault("hang_after"))
    caller = asyncio.create_task(failures(client, pair, 1))
    await pair.wait_for_hanging()
    await client.logout()
    await pair.release()

    assert {SessionEnded} == await caller
    assert {"live_sessions": 0} == await pair.counts("live_sessions")


async def test_a_login_during_a_refresh_wins(client: ClientUnderTest, pair: Control) -> None:
    """Requests go on with the new session."""
    await pair.expire()
    await pair.fault("refresh", Fault("hang_before"))
    caller = asyncio.create_task(get(client, pair))
    await pair.wait_for_hanging()
    await client.login("other", PASSWORD)
    await pair.release()

    assert 200 == await caller
    assert 200 == await get(client, pair)
    assert "Bearer at-2" == (await pair.state())["seen"][-1]


# Who may see a token


async def test_a_foreign_origin_sees_no_token(client: ClientUnderTest, pair: Control) -> None:
    """Only the resource service is signed for."""
    await client.request("GET", f"{pair.foreign_url}/public")

    assert {"foreign_seen": [None]} == await pair.counts("foreign_seen")


async def test_a_redirect_to_a_foreign_origin_takes_no_token_along(client: ClientUnderTest, pair: Control) -> None:
    """A signed request that is sent elsewhere arrives there unsigned."""
    await get(client, pair, f"/redirect?to={pair.foreign_url}/public")

    assert {"foreign_seen": [None]} == await pair.counts("foreign_seen")


async def test_a_redirect_at_home_stays_signed(client: ClientUnderTest, pair: Control) -> None:
    """A redirect within the resource service arrives signed."""
    assert 200 == await get(client, pair, "/redirect?to=/things")


# Refusals that are none of the client's business


@pytest.mark.parametrize(("path", "status"), [("/forbidden", 403), ("/step-up", 401), ("/basic", 401)])
async def test_a_refusal_that_no_token_mends_is_passed_on(
    client: ClientUnderTest, pair: Control, path: str, status: int
) -> None:
    """403, insufficient_scope, and challenges of other schemes start no refresh."""
    assert status == await get(client, pair, path)
    assert {"refresh_calls": 0, "api_requests": 1} == await pair.counts("refresh_calls", "api_requests")


async def test_a_refusal_of_the_new_token_too_is_passed_on(client: ClientUnderTest, pair: Control) -> None:
    """A request is repeated once; the second 401 is the caller's."""
    await pair.set(refuse=2)

    assert 401 == await get(client, pair)
    assert {"refresh_calls": 1, "api_requests": 2} == await pair.counts("refresh_calls", "api_requests")


async def test_a_burst_that_is_refused_for_good_costs_one_refresh(client: ClientUnderTest, pair: Control) -> None:
    """A resource service that refuses everything makes no storm of refreshes."""
    await pair.set(refuse=2 * BURST)

    assert [401] * BURST == await burst(client, pair)
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


# Bodies

BODY = b"0123456789" * 20_000


async def chunks() -> AsyncIterator[bytes]:
    """Yield a body that can be had once."""
    for _ in range(10):
        yield b"chunk"


async def test_a_body_is_repeated_whole(client: ClientUnderTest, pair: Control) -> None:
    """The repetition of a POST carries the same bytes."""
    await pair.expire()
    answer = await client.request("POST", f"{pair.api_url}/echo", BODY)

    assert hashlib.sha256(BODY).hexdigest() == json.loads(answer.body)["sha256"]


async def test_a_body_that_can_be_had_once_is_never_sent_empty(client: ClientUnderTest, pair: Control) -> None:
    """It is sent whole, or the caller is told; the service never sees a request without it."""
    await pair.expire()
    body: Body = chunks()
    try:
        answer: Answer | None = await client.request("POST", f"{pair.api_url}/echo", body)
    except BodySpent:
        answer = None

    assert answer is None or 50 == json.loads(answer.body)["bytes"]


async def test_a_large_refusal_does_not_hold_the_only_connection(open_another: OpenAnother, pair: Control) -> None:
    """A 401 of 3 MB is let go of before the repetition needs its connection."""
    client = open_another(connections=1)
    await client.login("zs", PASSWORD)
    await pair.set(refusal_bytes=3_000_000)
    await pair.expire()
    async with asyncio.timeout(30):
        assert [200] * 5 == await burst(client, pair, 5)


# One session, several clients


async def test_the_next_start_goes_on_with_the_session(open_another: OpenAnother, pair: Control) -> None:
    """A client that is opened on a token file needs no login."""
    first = open_another()
    await first.login("zs", PASSWORD)
    await pair.expire()
    await get(first, pair)
    await first.close()
    second = open_another()

    assert 200 == await get(second, pair)
    assert {"logins": 1, "refresh_calls": 1} == await pair.counts("logins", "refresh_calls")


async def test_clients_on_one_token_file_share_a_refresh(open_another: OpenAnother, pair: Control) -> None:
    """At an expiry one of them refreshes, and the others take over what it got."""
    clients = [open_another() for _ in range(4)]
    await clients[0].login("zs", PASSWORD)
    for _ in range(3):
        await pair.expire()
        statuses = await asyncio.gather(*(burst(client, pair, 10) for client in clients))
        assert [[200] * 10] * 4 == statuses

    assert {"refresh_calls": 3, "reuses": 0, "most_uses": 1} == await pair.counts(
        "refresh_calls", "reuses", "most_uses"
    )


async def test_a_logout_in_one_client_is_one_in_all(open_another: OpenAnother, pair: Control) -> None:
    """The others learn it at their next refresh, and present no dead token."""
    first, second = open_another(), open_another()
    await first.login("zs", PASSWORD)
    await get(second, pair)
    await first.logout()

    assert {SessionEnded} == await failures(second, pair, 5)
    assert {"refresh_calls": 0, "reuses": 0} == await pair.counts("refresh_calls", "reuses")
