"""BearerAuth: which requests are signed, and what becomes of a 401."""

import asyncio
import hashlib
import io
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, web

from client import BearerAuth, ConfigurationError, LoginRequired, NotReplayable, RefreshUnavailable, TokenSource
from tests.client.conftest import MakeSource
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control


@pytest.fixture
async def http(source: TokenSource, pair: Control) -> AsyncIterator[aiohttp.ClientSession]:
    """Return a session that signs requests to the resource service."""
    async with aiohttp.ClientSession(middlewares=[BearerAuth(source, origins=[pair.api_url])]) as session:
        yield session


async def fetch(http: aiohttp.ClientSession, url: str) -> int:
    """Return the status of one GET."""
    async with http.get(url) as response:
        await response.read()
        return response.status


def answer_to(body: bytes) -> dict[str, object]:
    """Return what /echo says about *body*."""
    return {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}


# Who is signed


async def test_an_allow_listed_origin_is_signed(http: aiohttp.ClientSession, pair: Control) -> None:
    """The access token travels in the Authorization header."""
    await fetch(http, f"{pair.api_url}/things")

    assert {"seen": ["Bearer at-1"]} == await pair.counts("seen")


async def test_a_foreign_origin_sees_no_token(http: aiohttp.ClientSession, pair: Control) -> None:
    """Only allow-listed origins are signed; another port is another origin."""
    await fetch(http, f"{pair.foreign_url}/public")

    assert {"foreign_seen": [None]} == await pair.counts("foreign_seen")


async def test_a_callers_own_authorization_is_left_alone(http: aiohttp.ClientSession, pair: Control) -> None:
    """Neither replaced nor answered by a refresh when it is refused."""
    async with http.get(f"{pair.api_url}/things", headers={"Authorization": "Basic eA=="}) as response:
        assert 401 == response.status

    assert {"seen": ["Basic eA=="], "refresh_calls": 0} == await pair.counts("seen", "refresh_calls")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_a_foreign_origin_takes_no_token_along(
    http: aiohttp.ClientSession, pair: Control, status: int
) -> None:
    """Each hop is judged anew."""
    await fetch(http, f"{pair.api_url}/redirect?status={status}&to={pair.foreign_url}/public")

    assert {"seen": ["Bearer at-1"], "foreign_seen": [None]} == await pair.counts("seen", "foreign_seen")


async def test_a_redirect_within_an_origin_is_signed_again(http: aiohttp.ClientSession, pair: Control) -> None:
    """The second hop is as signed as the first."""
    assert 200 == await fetch(http, f"{pair.api_url}/redirect?to=/things")
    assert {"seen": ["Bearer at-1"] * 2} == await pair.counts("seen")


async def test_a_redirect_back_from_a_foreign_origin_is_signed(http: aiohttp.ClientSession, pair: Control) -> None:
    """There and back again: only the foreign hop goes bare."""
    back = f"{pair.foreign_url}/open-redirect?to={pair.api_url}/things"

    assert 200 == await fetch(http, f"{pair.api_url}/redirect?to={back}")
    assert {"seen": ["Bearer at-1"] * 2, "foreign_seen": [None]} == await pair.counts("seen", "foreign_seen")


async def test_a_redirect_from_https_to_http_is_another_origin(source: TokenSource, pair: Control) -> None:
    """The same host in the clear sees no token."""
    host = pair.api_url.removeprefix("http://")
    seen: list[str | None] = []

    async def note(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        seen.append(request.headers.get("Authorization"))
        return await handler(request)

    auth = BearerAuth(source, origins=[f"https://{host}"])
    async with aiohttp.ClientSession(middlewares=[auth, note]) as http:
        await fetch(http, f"{pair.api_url}/public")

    assert [None] == seen


def test_origins_are_checked_when_it_is_made() -> None:
    """A typing error does not wait for the first request."""
    with pytest.raises(ConfigurationError, match=r"plain http to api\.example"):
        BearerAuth(TokenSource("https://auth.example"), origins=["http://api.example"])


async def test_without_a_session_nothing_is_sent(make_source: MakeSource, pair: Control) -> None:
    """The typed error comes instead of a request that must fail."""
    auth = BearerAuth(make_source(), origins=[pair.api_url])
    async with aiohttp.ClientSession(middlewares=[auth]) as http:
        with pytest.raises(LoginRequired):
            await fetch(http, f"{pair.api_url}/things")

    assert {"api_requests": 0} == await pair.counts("api_requests")


# What becomes of a 401


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


async def test_a_session_that_is_over_is_a_typed_error(http: aiohttp.ClientSession, pair: Control) -> None:
    """Not a 401 that the caller has to interpret."""
    await pair.end_sessions()

    with pytest.raises(LoginRequired, match="revoked"):
        await fetch(http, f"{pair.api_url}/things")


async def test_an_auth_service_that_is_away_is_a_typed_error(make_source: MakeSource, pair: Control) -> None:
    """The call fails, the session does not."""
    source = make_source(refresh_timeout_s=0.5)
    await source.login("zs", PASSWORD)
    await pair.expire()
    await pair.fault("refresh", *[Fault("status", status=503)] * 50)
    async with aiohttp.ClientSession(middlewares=[BearerAuth(source, origins=[pair.api_url])]) as http:
        with pytest.raises(RefreshUnavailable):
            await fetch(http, f"{pair.api_url}/things")
        await pair.clear_faults()
        assert 200 == await fetch(http, f"{pair.api_url}/things")


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
    async with aiohttp.ClientSession(connector=connector, middlewares=[auth]) as http, asyncio.timeout(20):
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


# Bodies

BODY = b"0123456789" * 20_000


async def echo(http: aiohttp.ClientSession, pair: Control, data: object, **options: object) -> object:
    """Return the answer of /echo after an expiry."""
    await pair.expire()
    async with http.post(f"{pair.api_url}/echo", data=data, **options) as response:  # type: ignore[arg-type]  # any
        return await response.json()


async def test_bytes_are_replayed_whole(http: aiohttp.ClientSession, pair: Control) -> None:
    """The replay carries the same body."""
    assert answer_to(BODY) == await echo(http, pair, BODY)


async def test_a_text_body_is_replayed_whole(http: aiohttp.ClientSession, pair: Control) -> None:
    """A string is encoded twice to the same bytes."""
    assert answer_to("grüezi".encode()) == await echo(http, pair, "grüezi")


async def test_json_is_replayed_whole(http: aiohttp.ClientSession, pair: Control) -> None:
    """json= is a body like another."""
    await pair.expire()
    async with http.post(f"{pair.api_url}/echo", json={"a": 1}) as response:
        assert answer_to(b'{"a": 1}') == await response.json()


async def test_a_file_is_replayed_from_where_it_stood(
    http: aiohttp.ClientSession, pair: Control, tmp_path: Path
) -> None:
    """An open file is sent again from the position that it had, not from its end."""
    path = tmp_path / "body"
    file = opened(path, BODY)
    file.seek(10)

    assert answer_to(BODY[10:]) == await echo(http, pair, file)


def opened(path: Path, body: bytes) -> io.BufferedReader:
    """Return a file with that body, opened for reading."""
    path.write_bytes(body)
    return path.open("rb")


async def test_a_buffer_is_replayed_whole(http: aiohttp.ClientSession, pair: Control) -> None:
    """io.BytesIO is a file."""
    assert answer_to(BODY) == await echo(http, pair, io.BytesIO(BODY))


async def test_a_multipart_form_with_a_file_is_replayed_whole(
    http: aiohttp.ClientSession, pair: Control, tmp_path: Path
) -> None:
    """The second copy is byte for byte the first."""
    form = aiohttp.FormData()
    form.add_field("name", "value")
    form.add_field("file", opened(tmp_path / "body", BODY), filename="body.bin")
    before = len(BODY)
    answer = await echo(http, pair, form)

    assert isinstance(answer, dict)
    assert before < answer["bytes"] < before + 1000


@pytest.mark.parametrize("chunked", [True, None])
async def test_a_compressed_body_is_replayed_whole(
    http: aiohttp.ClientSession, pair: Control, chunked: bool | None
) -> None:
    """Compression starts anew."""
    assert answer_to(BODY) == await echo(http, pair, BODY, compress="gzip", chunked=chunked)


@pytest.mark.parametrize("expect100", [False, True])
async def test_a_refusal_that_comes_before_the_body_was_sent_is_mended(
    http: aiohttp.ClientSession, pair: Control, expect100: bool
) -> None:
    """A gateway refuses by the header alone: the rest of the first copy is cut off, "100 Continue" asked for anew."""
    body = BODY * 100
    await pair.expire()
    async with (
        asyncio.timeout(30),
        # Not PUT: when its connection breaks aiohttp repeats it by itself, and would hide what we do wrong.
        http.post(f"{pair.api_url}/early-refusal", data=io.BytesIO(body), expect100=expect100) as response,
    ):
        assert answer_to(body) == await response.json()


async def chunks() -> AsyncIterator[bytes]:
    """Yield a body that can be had once."""
    for _ in range(10):
        yield b"chunk"


async def test_a_generator_is_never_sent_empty(http: aiohttp.ClientSession, pair: Control) -> None:
    """What can be had once is sent once: the caller is told, and the token is renewed for the next try."""
    with pytest.raises(NotReplayable, match="make it anew and repeat") as error:
        await echo(http, pair, chunks())

    assert isinstance(error.value.__cause__, aiohttp.ClientResponseError)
    assert (401, False) == (error.value.__cause__.status, "at-" in repr(error.value.__cause__))
    assert {"api_requests": 1, "refresh_calls": 1} == await pair.counts("api_requests", "refresh_calls")
    async with http.post(f"{pair.api_url}/echo", data=chunks()) as response:
        assert answer_to(b"chunk" * 10) == await response.json()


async def test_a_form_with_a_generator_is_never_sent_empty(http: aiohttp.ClientSession, pair: Control) -> None:
    """One part that can be had once makes the whole body so."""
    with aiohttp.MultipartWriter("form-data") as form:
        form.append("text")
        form.append_payload(aiohttp.payload.AsyncIterablePayload(chunks()))

    with pytest.raises(NotReplayable):
        await echo(http, pair, form)


async def test_a_refused_body_frees_its_connection(source: TokenSource, pair: Control) -> None:
    """NotReplayable leaves no connection behind."""
    auth = BearerAuth(source, origins=[pair.api_url])
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(connector=connector, middlewares=[auth]) as http, asyncio.timeout(20):
        with pytest.raises(NotReplayable):
            await echo(http, pair, chunks())

        assert 200 == await fetch(http, f"{pair.api_url}/things")


# Other kinds of answers


async def test_a_websocket_handshake_is_signed_and_replayed(http: aiohttp.ClientSession, pair: Control) -> None:
    """A socket opens across an expiry."""
    await pair.expire()
    async with http.ws_connect(f"{pair.api_url}/socket") as socket:
        await socket.send_str("hello")
        assert "hello" == await socket.receive_str()

    assert {"seen": ["Bearer at-1", "Bearer at-2"]} == await pair.counts("seen")


async def test_a_websocket_address_has_the_origin_of_its_http_address(
    http: aiohttp.ClientSession, pair: Control
) -> None:
    """ws://host is signed where http://host is."""
    async with http.ws_connect(f"{pair.api_url.replace('http', 'ws')}/socket"):
        assert {"seen": ["Bearer at-1"]} == await pair.counts("seen")


async def test_a_streamed_answer_is_streamed(http: aiohttp.ClientSession, pair: Control) -> None:
    """The body is not read for the caller."""
    await pair.expire()
    async with http.get(f"{pair.api_url}/stream") as response:
        lines = [line async for line in response.content]

    assert (100, b"99\n") == (len(lines), lines[-1])


async def test_a_long_answer_is_not_held_in_memory(source: TokenSource) -> None:
    """64 MB pass through in pieces."""

    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1024):
            await response.write(bytes(65536))
        return response

    async with running(flood) as url, aiohttp.ClientSession(middlewares=[BearerAuth(source, origins=[url])]) as http:
        tracemalloc.start()
        async with http.get(url) as response:
            total = sum([len(chunk) async for chunk in response.content.iter_any()])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert (64 * 1024 * 1024, True) == (total, peak < 8 * 1024 * 1024)


@asynccontextmanager
async def running(handler: object) -> AsyncIterator[str]:
    """Run one handler as a service of its own."""
    app = web.Application()
    app.router.add_get("/", handler)  # type: ignore[arg-type]  # a handler
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
