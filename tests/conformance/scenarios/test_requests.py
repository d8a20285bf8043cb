"""What a client with double tokens must do with requests, refusals and bodies."""

import asyncio
import hashlib
import json

import pytest

from tests.conformance.adapter import Answer, Body, BodySpent, ClientUnderTest
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.conftest import OpenAnother
from tests.conformance.pair import Control
from tests.conformance.scenarios.calls import BURST, burst, chunks, get
from tests.deadline import HANGS_S


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


@pytest.mark.parametrize(("path", "status"), [("/forbidden", 403), ("/step-up", 401), ("/basic", 401)])
async def test_a_refusal_that_no_token_mends_is_passed_on(
    client: ClientUnderTest, pair: Control, path: str, status: int
) -> None:
    """403, insufficient_scope, and challenges of other schemes start no refresh."""
    assert status == await get(client, pair, path)
    assert {"refresh_calls": 0, "api_requests": 1} == await pair.counts("refresh_calls", "api_requests")


async def test_a_refusal_of_the_new_token_too_is_passed_on(client: ClientUnderTest, pair: Control) -> None:
    """A token that has just come from a refresh, and is refused, is not renewed: the second 401 is the caller's."""
    await pair.set(refuse=2)

    assert 401 == await get(client, pair)
    assert {"refresh_calls": 1, "api_requests": 2} == await pair.counts("refresh_calls", "api_requests")


async def test_a_burst_that_is_refused_for_good_costs_one_refresh(client: ClientUnderTest, pair: Control) -> None:
    """A resource service that refuses everything makes no storm of refreshes."""
    await pair.set(refuse=2 * BURST)

    assert [401] * BURST == await burst(client, pair)
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_a_service_that_refuses_every_token_costs_one_refresh(client: ClientUnderTest, pair: Control) -> None:
    """Request after request, a wrong audience after a deploy makes no storm of refreshes."""
    await pair.set(refuse=1_000_000)
    statuses = [await get(client, pair) for _ in range(20)]

    assert [401] * 20 == statuses
    assert {"refresh_calls": 1, "api_requests": 21} == await pair.counts("refresh_calls", "api_requests")


async def test_a_service_that_accepts_tokens_again_is_trusted_again(client: ClientUnderTest, pair: Control) -> None:
    """After the end of its trouble an expiry goes unnoticed, as before."""
    await pair.set(refuse=10)
    statuses = [await get(client, pair) for _ in range(12)]
    await pair.expire()

    assert ([401] * 9 + [200] * 3, 200) == (statuses, await get(client, pair))


async def test_a_401_that_means_403_makes_no_storm(client: ClientUnderTest, pair: Control) -> None:
    """One path refuses for good what the others accept, turn and turn about, alone and in crowds."""
    for _ in range(10):
        assert (200, 401) == (await get(client, pair), await get(client, pair, "/never"))
    statuses = await asyncio.gather(*(get(client, pair, path) for path in ("/never", "/things") * BURST))

    assert [401, 200] * BURST == statuses
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


LIFE_S = 0.05


@pytest.mark.parametrize(("times", "status"), [(1, 200), (2, 200), (3, 401)])
async def test_a_token_that_runs_out_on_its_way_costs_a_repetition(
    client: ClientUnderTest, pair: Control, times: int, status: int
) -> None:
    """Where tokens live for moments a request is repeated while each 401 met another token, three times at most."""
    late = [f"at-{2 + number}" for number in range(times)]
    await pair.set(brief=dict.fromkeys(late, LIFE_S), life_s=LIFE_S, late=late)
    await pair.expire()

    assert status == await get(client, pair, "/late")
    assert {"api_requests": min(times + 2, 4), "reuses": 0} == await pair.counts("api_requests", "reuses")


async def test_a_burst_whose_token_runs_out_on_its_way_is_answered(client: ClientUnderTest, pair: Control) -> None:
    """Every request of it gets its answer, for two refreshes."""
    await pair.set(brief={"at-2": LIFE_S}, life_s=LIFE_S, late=["at-2"])  # the next one lives as long as any
    await pair.expire()
    statuses = await asyncio.gather(*(get(client, pair, "/late") for _ in range(BURST)))

    assert [200] * BURST == statuses
    assert {"refresh_calls": 2, "reuses": 0} == await pair.counts("refresh_calls", "reuses")


BODY = b"0123456789" * 20_000


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
    async with asyncio.timeout(HANGS_S):
        assert [200] * 5 == await burst(client, pair, 5)
