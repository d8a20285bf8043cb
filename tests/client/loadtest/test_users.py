"""One user: its expiry is real to the service, and every refresh has its reason."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from dualtoken.client.loadtest.meter import Counts
from dualtoken.client.loadtest.users import Now, VirtualUser, met_refresh
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.pair import Control
from tests.deadline import HANGS_S


@pytest.fixture
def now() -> Now:
    """Return the meter of the interval that goes on."""
    return Now()


@pytest.fixture
async def user(pair: Control, now: Now) -> AsyncIterator[VirtualUser]:
    """Return a user that has logged in."""
    async with aiohttp.ClientSession() as auth_http, aiohttp.TCPConnector() as connector:
        user = VirtualUser(
            pair.auth_url,
            pair.api_url,
            auth_http=auth_http,
            connector=connector,
            timeout_s=HANGS_S,
            allow_insecure=False,
            now=now,
        )
        async with user:
            await user.log_in("zs", PASSWORD)
            yield user


async def read(user: VirtualUser, pair: Control) -> tuple[int, bool]:
    """Send one request; return its status, and whether it met a refresh."""
    met_refresh.set(False)
    async with user.http.get(f"{pair.api_url}/home") as response:
        return response.status, met_refresh.get()


async def settled(user: VirtualUser, now: Now) -> Counts:
    """Return the counters once the source has nothing left to tell."""
    await user.source.aclose()
    user.collect()
    return now.meter.counts


async def test_an_expiry_costs_one_refresh(user: VirtualUser, pair: Control, now: Now) -> None:
    """A token that was made to expire is refused by the service itself, and replaced once for all requests."""
    user.expire()
    answers = await asyncio.gather(*(read(user, pair) for _ in range(20)))
    counts = await settled(user, now)

    assert [(200, True)] * 20 == answers
    assert (1, 0, 20) == (counts.expected, counts.surplus, counts.unauthorized)
    assert {"rotations": 1, "api_401s": 20} == await pair.counts("rotations", "api_401s")


async def test_every_beat_counts_anew(user: VirtualUser, pair: Control, now: Now) -> None:
    """Each expiry may cost one refresh."""
    for _ in range(3):
        user.expire()
        await read(user, pair)
    counts = await settled(user, now)

    assert (3, 0) == (counts.expected, counts.surplus)


async def test_a_beat_before_the_replays_spoils_none(
    user: VirtualUser, pair: Control, now: Now, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that takes longer than a beat is answered: what a refresh brought is good for those who waited."""
    token = user.token

    async def overtaken(*, rejected: str | None = None) -> str:
        renewed = await token(rejected=rejected)
        if rejected == "at-1":
            user.expire()
        return renewed

    monkeypatch.setattr(user, "token", overtaken)
    user.expire()
    answers = await asyncio.gather(*(read(user, pair) for _ in range(20)))
    later = await read(user, pair)
    counts = await settled(user, now)

    assert [(200, True)] * 21 == [*answers, later]
    assert (2, 0, 21) == (counts.expected, counts.surplus, counts.unauthorized)


async def test_an_idle_user_owes_no_refresh(user: VirtualUser, now: Now) -> None:
    """A token that expires unused is not expected to be replaced."""
    user.expire()
    counts = await settled(user, now)

    assert 0 == counts.expected


async def test_requests_between_expiries_meet_no_refresh(user: VirtualUser, pair: Control) -> None:
    """Before and after an expiry a request costs what it costs."""
    before = await read(user, pair)
    user.expire()
    await read(user, pair)
    after = await read(user, pair)

    assert [(200, False), (200, False)] == [before, after]


async def test_a_refresh_without_a_reason_is_a_surplus(user: VirtualUser, now: Now) -> None:
    """A client that replaces good tokens is found out."""
    await user.source.token(rejected=await user.source.token())
    counts = await settled(user, now)

    assert (0, 1) == (counts.expected, counts.surplus)


async def test_a_refresh_on_purpose_is_expected(user: VirtualUser, now: Now) -> None:
    """The refresh scenario replaces good tokens, and says so."""
    await user.refresh()
    counts = await settled(user, now)

    assert (1, 0) == (counts.expected, counts.surplus)


async def test_a_refresh_on_purpose_is_a_request_that_met_one(user: VirtualUser) -> None:
    """Its latency stands beside those of other requests that had to wait for a refresh."""
    met_refresh.set(False)
    await user.refresh()

    assert met_refresh.get()


async def test_a_token_that_the_service_refuses_is_expected_to_go(user: VirtualUser, pair: Control, now: Now) -> None:
    """An expiry that the load test did not make counts like one that it made."""
    await pair.expire()
    await read(user, pair)
    counts = await settled(user, now)

    assert (1, 0) == (counts.expected, counts.surplus)
