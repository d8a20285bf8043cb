"""BearerAuth of requests: what the scenarios of tests/conformance do not ask of every client."""

import asyncio
import io
import itertools
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
import requests
from aiohttp import web
from requests.adapters import HTTPAdapter
from urllib3.util import Retry
from yarl import URL

from dualtoken.client import NotReplayable, RefreshUnavailable
from dualtoken.client.requests import BearerAuth
from dualtoken.client.sync import TokenSource
from tests.client.conftest import FakeClock
from tests.conformance.faults import Fault
from tests.conformance.pair import Control
from tests.deadline import HANGS_S
from tests.resource_service.services import serving

THREADS = 1000
CONNECTIONS = 50
T = TypeVar("T")


def session(source: TokenSource, pair: Control, **adapter: Any) -> requests.Session:
    """Make a session that signs requests to the resource service."""
    http = requests.Session()
    http.auth = BearerAuth(source, origins=[pair.api_url])
    http.mount("http://", HTTPAdapter(**adapter))
    return http


@pytest.fixture
def http(thread_source: TokenSource, pair: Control) -> requests.Session:
    """Return one as it comes."""
    return session(thread_source, pair)


async def on_a_thread(work: Callable[[], T]) -> T:
    """Run *work* beside the services."""
    return await asyncio.to_thread(work)


async def test_a_thousand_threads_at_expiry_cost_one_refresh(thread_source: TokenSource, pair: Control) -> None:
    """Each has its answer, over a session that all share."""
    http = session(thread_source, pair, pool_maxsize=CONNECTIONS, pool_block=True)
    barrier = threading.Barrier(THREADS)

    def call(_: int) -> int:
        barrier.wait()
        return http.get(f"{pair.api_url}/things", timeout=HANGS_S).status_code

    await pair.expire()
    with ThreadPoolExecutor(THREADS) as threads:
        statuses = await on_a_thread(lambda: Counter(threads.map(call, range(THREADS))))

    assert {200: THREADS} == statuses
    assert {"refresh_calls": 1, "reuses": 0} == await pair.counts("refresh_calls", "reuses")


async def test_a_stream_is_read_as_it_comes(http: requests.Session, pair: Control) -> None:
    """The 401 costs a repetition; the answer that the caller streams is the good one."""

    def read() -> list[str]:
        with http.get(f"{pair.api_url}/stream", stream=True, timeout=HANGS_S) as response:
            return [line.decode() for line in response.iter_lines()]

    await pair.expire()

    assert [f"{number:02d}" for number in range(100)] == await on_a_thread(read)
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_a_refused_request_holds_no_connection_during_the_refresh(
    thread_source: TokenSource, pair: Control
) -> None:
    """With one connection, others go on while the refresh hangs."""
    http = session(thread_source, pair, pool_maxsize=1, pool_block=True)
    await pair.expire()
    await pair.fault("refresh", Fault("hang_before"))
    refused = asyncio.create_task(on_a_thread(lambda: http.get(f"{pair.api_url}/things", timeout=HANGS_S)))
    await pair.wait_for_hanging()
    other = await on_a_thread(lambda: http.get(f"{pair.api_url}/public", auth=lambda request: request, timeout=HANGS_S))
    await pair.release()

    assert (200, 200) == (other.status_code, (await refused).status_code)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("is_expired", [False, True])
async def test_a_redirect_to_a_foreign_host_takes_no_token_along(
    http: requests.Session, pair: Control, status: int, is_expired: bool
) -> None:
    """Neither the first token nor the renewed one; by another name the same machine is foreign, too."""
    if is_expired:
        await pair.expire()
    foreign = [pair.foreign_url, str(URL(pair.foreign_url).with_host("localhost"))]
    for url in foreign:
        params = {"status": str(status), "to": f"{url}/public"}
        await on_a_thread(lambda params=params: http.get(f"{pair.api_url}/redirect", params=params, timeout=HANGS_S))  # type: ignore[misc]  # bound now

    assert {"foreign_seen": [None, None]} == await pair.counts("foreign_seen")


async def test_a_redirect_at_home_is_signed(http: requests.Session, pair: Control) -> None:
    """A token that ran out before the first hop is renewed once for both."""
    await pair.expire()
    response = await on_a_thread(lambda: http.get(f"{pair.api_url}/redirect?to=/things", timeout=HANGS_S))

    assert 200 == response.status_code
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_retries_of_the_session_go_on_below(thread_source: TokenSource, pair: Control) -> None:
    """urllib3's Retry repeats what breaks and what is 503, with the same token; a 401 in between is mended."""
    answers = itertools.chain([503, None, 401, 503, None], itertools.repeat(200))
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"].removeprefix("Bearer "))
        status = next(answers)
        if status is None:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=status or 200, headers={"WWW-Authenticate": "Bearer"} if status == 401 else {})

    app = web.Application()
    app.router.add_get("/", answer)
    retry = Retry(total=5, status_forcelist=[503], backoff_factor=0)
    async with serving(app) as url:
        http = requests.Session()
        http.auth = BearerAuth(thread_source, origins=[str(url.origin())])
        http.mount("http://", HTTPAdapter(max_retries=retry))
        response = await on_a_thread(lambda: http.get(str(url), timeout=HANGS_S))

    assert 200 == response.status_code
    assert ["at-1"] * 3 + ["at-2"] * 3 == seen
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_a_file_is_sent_again_from_where_it_stood(http: requests.Session, pair: Control) -> None:
    """Not from its end; an iterator is NotReplayable, with the token renewed."""
    file = io.BytesIO(b"0123456789")
    file.seek(4)
    await pair.expire()
    response = await on_a_thread(lambda: http.post(f"{pair.api_url}/echo", data=file, timeout=HANGS_S))
    await pair.expire()
    with pytest.raises(NotReplayable, match="create it again"):
        await on_a_thread(lambda: http.post(f"{pair.api_url}/echo", data=iter([b"a", b"b"]), timeout=HANGS_S))

    assert 6 == response.json()["bytes"]
    assert {"refresh_calls": 2} == await pair.counts("refresh_calls")


@pytest.mark.parametrize("body", [bytearray(b"0123"), memoryview(b"0123")])
async def test_bytes_of_any_kind_are_sent_again(http: requests.Session, pair: Control, body: Any) -> None:
    """They are there as long as the request."""
    await pair.expire()
    response = await on_a_thread(lambda: http.post(f"{pair.api_url}/echo", data=body, timeout=HANGS_S))

    assert 4 == response.json()["bytes"]


async def test_a_hook_of_the_session_sees_the_good_answer_alone(http: requests.Session, pair: Control) -> None:
    """Whatever it does with an answer, one that reads it as a stream included, no 401 is spoiled."""
    seen: list[int] = []

    def hook(response: requests.Response, **_: Any) -> None:
        seen.append(response.status_code)
        list(response.iter_content(1))

    http.hooks["response"].append(hook)
    await pair.expire()
    response = await on_a_thread(lambda: http.get(f"{pair.api_url}/things", stream=True, timeout=HANGS_S))

    assert ([200], [401]) == (seen, [before.status_code for before in response.history])


@pytest.mark.parametrize("taken", [lambda response: list(response.iter_content(1)), requests.Response.close])
async def test_a_refusal_that_was_taken_before_is_repeated_all_the_same(
    thread_source: TokenSource, pair: Control, taken: Callable[[requests.Response], object]
) -> None:
    """By an adapter that reads each 401 as a stream, or lets go of it."""

    class Taking(HTTPAdapter):
        def send(self, *args: Any, **options: Any) -> requests.Response:
            response = super().send(*args, **options)
            if response.status_code == 401:
                taken(response)
            return response

    http = session(thread_source, pair)
    http.mount("http://", Taking())
    await pair.set(refusal_bytes=10_000)
    await pair.expire()
    response = await on_a_thread(lambda: http.get(f"{pair.api_url}/things", timeout=HANGS_S))

    assert 200 == response.status_code
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_a_refresh_that_fails_is_told_by_its_own_error(
    thread_source: TokenSource, pair: Control, clock: FakeClock
) -> None:
    """It is none of requests'; the connection is free again, and afterwards the session goes on."""
    http = session(thread_source, pair, pool_maxsize=1, pool_block=True)
    await pair.expire()
    await pair.fault("refresh", Fault("status", status=503, retry_after="86400"))
    with pytest.raises(RefreshUnavailable):
        await on_a_thread(lambda: http.get(f"{pair.api_url}/things", timeout=HANGS_S))
    clock.advance(61)  # no pause is longer

    assert 200 == (await on_a_thread(lambda: http.get(f"{pair.api_url}/things", timeout=HANGS_S))).status_code
