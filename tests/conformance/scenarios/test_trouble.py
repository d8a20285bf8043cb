"""What a client with double tokens must do when answers are lost and services are in trouble."""

import asyncio
import json

import pytest

from tests.conformance.adapter import ClientUnderTest, Unavailable
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.conftest import OpenAnother
from tests.conformance.faults import Fault, Kind
from tests.conformance.pair import Control
from tests.conformance.scenarios.calls import BURST, burst, failures, get, recovered, until_given_up

LIMIT_S = 60.0  # of a refresh, where a test lets it pass


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
    client = open_another(timeout_s=LIMIT_S)
    await client.login("zs", PASSWORD)
    await pair.expire()
    await pair.fault("refresh", Fault("hang_after"))
    caller = asyncio.create_task(get(client, pair))
    await pair.wait_for_hanging()
    await client.let_pass(LIMIT_S / 2)

    assert 200 == await caller
    assert {"rotations": 1, "reuses": 0} == await pair.counts("rotations", "reuses")


async def test_a_lost_answer_survives_the_client(open_another: OpenAnother, pair: Control) -> None:
    """A client dies with its refresh unanswered: the next one repeats that refresh, and needs no login."""
    first = open_another(timeout_s=LIMIT_S)
    await first.login("zs", PASSWORD)
    await pair.expire()
    await pair.fault("refresh", *[Fault("hang_after")] * 20)
    caller = asyncio.create_task(get(first, pair))
    await pair.wait_for_hanging()
    await until_given_up(first, LIMIT_S, caller)
    with pytest.raises(Unavailable):
        await caller
    await pair.clear_faults()

    assert 200 == await get(open_another(), pair)
    assert {"rotations": 1, "reuses": 0} == await pair.counts("rotations", "reuses")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
async def test_trouble_that_passes_goes_unnoticed(client: ClientUnderTest, pair: Control, status: int) -> None:
    """A refresh that is answered 408, 425, 429 or 5xx is repeated."""
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


async def test_a_retry_after_of_a_day_does_not_last_for_a_day(client: ClientUnderTest, pair: Control) -> None:
    """One answer, by mistake or malice, keeps a client away for some minutes at most."""
    await pair.expire()
    await pair.fault("refresh", Fault("status", status=503, retry_after="86400"))
    assert {Unavailable} == await failures(client, pair)
    client.sleep(600)

    assert 200 == await get(client, pair)


async def test_a_retry_after_ends_with_a_login(client: ClientUnderTest, pair: Control) -> None:
    """A new session is not made to wait for what an old one was told."""
    await pair.expire()
    await pair.fault("refresh", Fault("status", status=503, retry_after="86400"))
    assert {Unavailable} == await failures(client, pair)
    await client.login("zs", PASSWORD)
    await pair.expire()

    assert 200 == await get(client, pair)


async def test_trouble_that_stays_is_told_apart_from_the_end(open_another: OpenAnother, pair: Control) -> None:
    """When time is up every caller learns that the service is unavailable; when it is back the session goes on."""
    client = open_another(timeout_s=LIMIT_S)
    await client.login("zs", PASSWORD)
    await pair.expire()
    await pair.fault("refresh", *[Fault("status", status=503)] * 500)
    callers = asyncio.create_task(failures(client, pair))
    await until_given_up(client, LIMIT_S, callers)
    assert {Unavailable} == await callers
    await pair.clear_faults()

    assert 200 == await recovered(client, pair)
    assert [200] * BURST == await burst(client, pair)
    assert {"live_sessions": 1, "reuses": 0} == await pair.counts("live_sessions", "reuses")


async def test_a_service_that_hangs_is_told_apart_from_the_end(open_another: OpenAnother, pair: Control) -> None:
    """A refresh has a deadline of its own; the session goes on afterwards, though the answer was lost."""
    client = open_another(timeout_s=LIMIT_S)
    await client.login("zs", PASSWORD)
    await pair.expire()
    await pair.fault("refresh", *[Fault("hang_after")] * 100)
    callers = asyncio.create_task(failures(client, pair))
    await pair.wait_for_hanging()
    await until_given_up(client, LIMIT_S, callers)
    assert {Unavailable} == await callers
    await pair.clear_faults()

    assert 200 == await recovered(client, pair)
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
    # For whoever comes when the first refresh has failed, too.
    await pair.fault("refresh", *[Fault("redirect", body=f"{pair.foreign_url}/echo")] * BURST)

    assert {Unavailable} == await failures(client, pair)
    assert {"foreign_requests": 0} == await pair.counts("foreign_requests")
