"""What a client with double tokens must do with requests, refusals and bodies."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator

import pytest

from tests.conformance.adapter import Answer, Body, BodySpent, ClientUnderTest
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.conftest import OpenAnother
from tests.conformance.pair import Control
from tests.conformance.scenarios.calls import BURST, burst, get


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
    """A request is repeated once; the second 401 is the caller's."""
    await pair.set(refuse=2)

    assert 401 == await get(client, pair)
    assert {"refresh_calls": 1, "api_requests": 2} == await pair.counts("refresh_calls", "api_requests")


async def test_a_burst_that_is_refused_for_good_costs_one_refresh(client: ClientUnderTest, pair: Control) -> None:
    """A resource service that refuses everything makes no storm of refreshes."""
    await pair.set(refuse=2 * BURST)

    assert [401] * BURST == await burst(client, pair)
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


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
