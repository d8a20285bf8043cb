"""BearerAuth: what becomes of a 401."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from dualtoken.client import BearerAuth, LoginRequired, MemoryStorage, RefreshUnavailable, TokenSource
from tests.client.conftest import FakeClock, MakeSource
from tests.client.middleware.calls import fetch
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control
from tests.deadline import HANGS_S


async def test_a_burst_at_expiry_costs_one_refresh(http: aiohttp.ClientSession, pair: Control) -> None:
    """Concurrent 401s are answered by one refresh and one replay each."""
    await pair.expire()

    assert {200} == set(await asyncio.gather(*(fetch(http, f"{pair.api_url}/things") for _ in range(200))))
    expected = {"refresh_calls": 1, "api_401s": 200, "api_requests": 400}
    assert expected == await pair.counts("refresh_calls", "api_401s", "api_requests")


async def test_a_401_for_the_new_token_too_is_the_callers(http: aiohttp.ClientSession, pair: Control) -> None:
    """One replay, then the answer is passed on: no endless loop."""
    await pair.set(refuse=2)

    assert 401 == await fetch(http, f"{pair.api_url}/things")
    assert {"refresh_calls": 1, "api_requests": 2} == await pair.counts("refresh_calls", "api_requests")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/forbidden", 403, id="403"),
        pytest.param("/step-up", 401, id="401 insufficient_scope"),
        pytest.param("/basic", 401, id="401 of another scheme"),
    ],
)
async def test_what_a_new_token_cannot_mend_is_passed_on(
    http: aiohttp.ClientSession, pair: Control, path: str, status: int
) -> None:
    """It starts no refresh."""
    assert status == await fetch(http, f"{pair.api_url}{path}")
    assert {"refresh_calls": 0, "api_requests": 1} == await pair.counts("refresh_calls", "api_requests")


async def test_a_service_that_refuses_fresh_tokens_is_counted_and_logged_once(
    source: TokenSource, http: aiohttp.ClientSession, pair: Control, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the service and what may be wrong with it, no token."""
    await pair.set(refuse=1_000_000)
    statuses = [await fetch(http, f"{pair.api_url}/things") for _ in range(20)]

    assert ([401] * 20, 1, 20) == (statuses, source.stats.refreshes, source.stats.refused_fresh)
    assert [f"{pair.api_url} refuses a token that has just come from a refresh"] == [
        record.getMessage().partition(": its")[0] for record in caplog.records
    ]
    assert "at-" not in caplog.text


async def test_a_service_that_refuses_for_hours_costs_a_refresh_a_minute(
    http: aiohttp.ClientSession, pair: Control, clock: FakeClock
) -> None:
    """Tokens may be right again by then; the next refusal says that they are not."""
    await pair.set(refuse=1_000_000)
    for _ in range(5):
        for _ in range(3):
            assert 401 == await fetch(http, f"{pair.api_url}/things")
        clock.advance(61)

    assert {"refresh_calls": 5} == await pair.counts("refresh_calls")


async def test_services_that_refuse_in_turn_make_no_storm(source: TokenSource, pair: Control) -> None:
    """A token that one of them had renewed is fresh for the other, too: each costs one refresh."""
    origins = [pair.api_url, pair.foreign_url]
    async with aiohttp.ClientSession(middlewares=[BearerAuth(source, origins=origins)]) as http:
        statuses = [await fetch(http, f"{origin}/never") for _ in range(10) for origin in origins]

    assert [401] * 20 == statuses
    assert {"refresh_calls": 2} == await pair.counts("refresh_calls")


async def test_a_service_that_refuses_everything_holds_up_no_other(source: TokenSource, pair: Control) -> None:
    """A token that another service refuses is renewed for it, however fresh: it was accepted there."""
    async with aiohttp.ClientSession(
        middlewares=[BearerAuth(source, origins=[pair.api_url, pair.foreign_url])]
    ) as http:
        assert 401 == await fetch(http, f"{pair.foreign_url}/never")
        assert 200 == await fetch(http, f"{pair.api_url}/things")
        await pair.expire()

        assert 200 == await fetch(http, f"{pair.api_url}/things")


async def test_a_token_that_is_refused_twice_is_the_callers_401(pair: Control) -> None:
    """A source that has no other token to give is not asked for ever."""

    class Stubborn:
        asked = 0

        async def token(self, *, rejected: str | None = None) -> str:
            del rejected
            self.asked += 1
            return "always-the-same"

        def is_too_fresh(self, refused: str) -> bool:
            del refused
            return False

    tokens = Stubborn()
    async with aiohttp.ClientSession(middlewares=[BearerAuth(tokens, origins=[pair.api_url])]) as http:
        assert 401 == await fetch(http, f"{pair.api_url}/things")
    assert 2 == tokens.asked


async def test_a_session_that_is_over_is_a_typed_error(http: aiohttp.ClientSession, pair: Control) -> None:
    """Not a 401 that the caller has to interpret."""
    await pair.end_sessions()

    with pytest.raises(LoginRequired, match="revoked"):
        await fetch(http, f"{pair.api_url}/things")


async def test_an_auth_service_that_is_away_is_a_typed_error(make_source: MakeSource, pair: Control) -> None:
    """The call fails, the session does not."""
    storage = MemoryStorage()
    await make_source(storage).login("zs", PASSWORD)
    hasty, patient = (
        BearerAuth(make_source(storage, refresh_timeout_s=limit), origins=[pair.api_url]) for limit in (0.5, HANGS_S)
    )
    await pair.expire()
    await pair.fault("refresh", *[Fault("status", status=503)] * 50)
    async with aiohttp.ClientSession() as http:
        with pytest.raises(RefreshUnavailable):
            await http.get(f"{pair.api_url}/things", middlewares=[hasty])
        await pair.clear_faults()
        async with http.get(f"{pair.api_url}/things", middlewares=[patient]) as response:
            assert 200 == response.status


async def test_a_caller_that_times_out_takes_nobody_along(http: aiohttp.ClientSession, pair: Control) -> None:
    """The request's own timeout counts while it waits for a refresh, and ends only that request."""
    await pair.expire()
    await pair.fault("refresh", Fault("hang_before"))
    others = [asyncio.create_task(fetch(http, f"{pair.api_url}/things")) for _ in range(5)]
    await pair.wait_for_hanging()
    with pytest.raises(TimeoutError):
        await http.get(f"{pair.api_url}/things", timeout=aiohttp.ClientTimeout(total=0.1))
    await pair.release()

    assert [200] * 5 == await asyncio.gather(*others)


@pytest.mark.parametrize("size", [10, 3_000_000])
async def test_the_401_is_released_before_the_replay(source: TokenSource, pair: Control, size: int) -> None:
    """With one connection and a 3 MB refusal the replay does not wait for ever."""
    await pair.set(refusal_bytes=size)
    await pair.expire()
    connector = aiohttp.TCPConnector(limit=1)
    auth = BearerAuth(source, origins=[pair.api_url])
    async with aiohttp.ClientSession(connector=connector, middlewares=[auth]) as http, asyncio.timeout(HANGS_S):
        assert [200] * 5 == await asyncio.gather(*(fetch(http, f"{pair.api_url}/things") for _ in range(5)))


async def test_raise_for_status_sees_the_last_answer_alone(source: TokenSource, pair: Control) -> None:
    """A 401 that was mended raises nothing; one that stays does, and the error quotes no token."""
    auth = BearerAuth(source, origins=[pair.api_url])
    async with aiohttp.ClientSession(middlewares=[auth], raise_for_status=True) as http:
        await pair.expire()
        assert 200 == await fetch(http, f"{pair.api_url}/things")
        await pair.set(refuse=2)
        with pytest.raises(aiohttp.ClientResponseError) as error:
            await fetch(http, f"{pair.api_url}/things")

    assert 401 == error.value.status
    assert "at-" not in repr(error.value)


async def test_one_requests_own_middlewares_replace_the_sessions(http: aiohttp.ClientSession, pair: Control) -> None:
    """Aiohttp's rule: who passes middlewares= for one request passes BearerAuth too, or goes unsigned."""
    async with http.get(f"{pair.api_url}/public", middlewares=()) as response:
        assert 200 == response.status

    assert {"seen": [None]} == await pair.counts("seen")


async def test_it_works_as_one_requests_own_middleware(source: TokenSource, pair: Control) -> None:
    """Mounted for a single call it signs and replays as well."""
    await pair.expire()
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{pair.api_url}/things", middlewares=(BearerAuth(source, origins=[pair.api_url]),)) as response,
    ):
        assert 200 == response.status


async def test_an_outer_middleware_that_repeats_gets_a_fresh_token(source: TokenSource, pair: Control) -> None:
    """What was signed once is signed anew, not taken for the caller's own Authorization."""

    async def twice(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        (await handler(request)).release()
        await source.token(rejected="at-1")
        return await handler(request)

    async with aiohttp.ClientSession(middlewares=[twice, BearerAuth(source, origins=[pair.api_url])]) as http:
        await fetch(http, f"{pair.api_url}/things")

    assert {"seen": ["Bearer at-1", "Bearer at-2"]} == await pair.counts("seen")


@pytest.mark.parametrize("taken", [ClientResponse.read, ClientResponse.text, ClientResponse.wait_for_close])
async def test_a_refusal_that_was_read_before_is_repeated_all_the_same(
    source: TokenSource, pair: Control, taken: Callable[[ClientResponse], Awaitable[object]]
) -> None:
    """By an inner middleware, which may write it into a log."""

    async def reader(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        response = await handler(request)
        if response.status == 401:
            await taken(response)
        return response

    await pair.expire()
    middlewares = [BearerAuth(source, origins=[pair.api_url]), reader]
    async with aiohttp.ClientSession(middlewares=middlewares) as http:
        assert 200 == await fetch(http, f"{pair.api_url}/things")
