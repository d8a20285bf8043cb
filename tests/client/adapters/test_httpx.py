"""BearerAuth of httpx and httpx2: what the scenarios of tests/conformance do not ask of every client."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import httpx2
import pytest

from dualtoken.client import ConfigurationError, MemoryStorage, NotReplayable, RefreshUnavailable, TokenSource
from dualtoken.client.httpx import BearerAuth
from dualtoken.client.sync import TokenSource as ThreadSource
from tests.client.conftest import MakeSource
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control
from tests.deadline import HANGS_S

LIBRARIES = [httpx, httpx2]


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.__name__)
def library(request: pytest.FixtureRequest) -> Any:
    """Return one of the two."""
    return request.param


@pytest.fixture
async def http(library: Any, source: TokenSource, pair: Control) -> AsyncIterator[Any]:
    """Return an AsyncClient that signs requests to the resource service."""
    async with client(library, source, pair) as http:
        yield http


def client(library: Any, source: TokenSource, pair: Control, **options: Any) -> Any:
    """Make an AsyncClient that follows redirects."""
    options = {"follow_redirects": True, "timeout": HANGS_S, "base_url": pair.api_url, **options}
    return library.AsyncClient(auth=BearerAuth(source, origins=[pair.api_url]), **options)


async def test_a_stream_is_read_as_it_comes(http: Any, pair: Control) -> None:
    """The 401 costs a repetition; the answer that the caller streams is the good one, not read beforehand."""
    await pair.expire()
    async with http.stream("GET", "/stream") as response:
        was_read = response.is_stream_consumed
        lines = [line async for line in response.aiter_lines()]

    assert (200, False) == (response.status_code, was_read)
    assert [f"{number:02d}" for number in range(100)] == lines
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_a_stream_that_the_caller_leaves_frees_its_connection(
    library: Any, source: TokenSource, pair: Control
) -> None:
    """With one connection, a stream left after a line holds up nobody."""
    async with client(library, source, pair, limits=library.Limits(max_connections=1)) as http:
        await pair.expire()
        async with http.stream("GET", "/stream") as response:
            await anext(response.aiter_lines())

        assert 200 == (await http.get("/things")).status_code


async def test_a_refused_request_holds_no_connection_during_the_refresh(
    library: Any, source: TokenSource, pair: Control
) -> None:
    """With one connection, others go on while the refresh hangs."""
    async with client(library, source, pair, limits=library.Limits(max_connections=1)) as http:
        await pair.expire()
        await pair.fault("refresh", Fault("hang_before"))
        refused = asyncio.create_task(http.get("/things"))
        await pair.wait_for_hanging()

        assert 200 == (await http.get("/public", auth=None)).status_code
        await pair.release()
        assert 200 == (await refused).status_code


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("is_expired", [False, True])
async def test_a_redirect_to_a_foreign_origin_takes_no_token_along(
    http: Any, pair: Control, status: int, is_expired: bool
) -> None:
    """Neither the first token nor the renewed one; and on the way back the request stays bare."""
    if is_expired:
        await pair.expire()
    await http.get("/redirect", params={"status": status, "to": f"{pair.foreign_url}/public"})
    back = f"{pair.foreign_url}/open-redirect?to={pair.api_url}/public"
    await http.get("/redirect", params={"status": status, "to": back})
    state = await pair.state()

    assert [None, None] == state["foreign_seen"]
    assert state["seen"][-1] is None


async def test_a_redirect_at_home_is_signed_with_the_new_token(http: Any, pair: Control) -> None:
    """A token that ran out before the first hop is renewed once for both."""
    await pair.expire()

    assert 200 == (await http.get("/redirect?to=/things")).status_code
    assert {"seen": ["Bearer at-1", "Bearer at-2", "Bearer at-2"]} == await pair.counts("seen")


async def test_a_redirect_to_another_origin_of_ours_is_the_callers(
    library: Any, source: TokenSource, pair: Control
) -> None:
    """The library takes the token off, so that the other service answers 401: nobody refreshes for that."""
    other = pair.api_url.replace("127.0.0.1", "localhost")
    auth = BearerAuth(source, origins=[pair.api_url, other])
    async with library.AsyncClient(auth=auth, follow_redirects=True, timeout=HANGS_S) as http:
        response = await http.get(f"{pair.api_url}/redirect?to={other}/things")

    assert 401 == response.status_code
    assert {"seen": ["Bearer at-1", None], "refresh_calls": 0} == await pair.counts("seen", "refresh_calls")


class Pipe(io.BytesIO):
    """What can be read once."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation


BODIES: dict[str, Callable[[], dict[str, Any]]] = {
    "bytes": lambda: {"content": b"0123456789"},
    "JSON": lambda: {"json": {"a": "1234"}},
    "form": lambda: {"data": {"a": "12345678"}},
    "files": lambda: {"files": {"file": io.BytesIO(b"0123456789")}},
    "file": lambda: {"content": io.BytesIO(b"0123456789")},
    "pipe in a form": lambda: {"data": {"a": "1"}, "files": {"pipe": Pipe(b"0123456789")}},
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_is_sent_again_whole_or_told(
    library: Any, thread_source: ThreadSource, pair: Control, name: str
) -> None:
    """What the library can make again, it does; what it has read to its end is not sent empty."""
    auth = BearerAuth(thread_source, origins=[pair.api_url])

    def post() -> int:
        with library.Client(auth=auth, timeout=HANGS_S) as http:
            return int(http.post(f"{pair.api_url}/echo", **BODIES[name]()).json()["bytes"])

    await pair.expire()
    if name in ("file", "pipe in a form"):
        with pytest.raises(NotReplayable, match="create it again"):
            await asyncio.to_thread(post)
        return

    assert await asyncio.to_thread(post) >= 10
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_a_transport_may_repeat_what_it_sends(library: Any, source: TokenSource, pair: Control) -> None:
    """Repetitions below are the same request with the same token; a 401 that one of them meets is mended."""
    sent: list[str] = []

    class Repeating(library.AsyncHTTPTransport):  # type: ignore[misc, name-defined]  # either library's
        """Loses each first answer, and sends the request again, as packages for retries do."""

        async def handle_async_request(self, request: Any) -> Any:
            lost = await super().handle_async_request(request)
            await lost.aclose()
            sent.append(request.headers["Authorization"])
            return await super().handle_async_request(request)

    async with client(library, source, pair, transport=Repeating(retries=2)) as http:
        await pair.expire()

        assert 200 == (await http.get("/things")).status_code
    assert ["Bearer at-1", "Bearer at-2"] == sent
    assert {"refresh_calls": 1, "reuses": 0} == await pair.counts("refresh_calls", "reuses")


async def _whole(response: Any) -> None:
    await response.aread()


async def _as_a_stream(response: Any) -> None:
    async for _ in response.aiter_raw():
        pass


async def _not_to_its_end(response: Any) -> None:
    await response.aclose()


@pytest.mark.parametrize(("hook", "repeated"), [(_whole, True), (_as_a_stream, False), (_not_to_its_end, False)])
async def test_a_refusal_that_a_hook_has_read(
    library: Any,
    source: TokenSource,
    pair: Control,
    hook: Callable[[Any], Awaitable[None]],
    repeated: bool,
) -> None:
    """Read whole, it is repeated as ever; taken as a stream, the error says what to do, and the token is renewed."""
    hooks = {"response": [hook]}
    async with client(library, source, pair, event_hooks=hooks) as http:
        await pair.expire()
        if repeated:
            assert 200 == (await http.get("/things")).status_code
        else:
            with pytest.raises(NotReplayable, match="response hook has taken the answer's body as a stream"):
                await http.get("/things")

    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_a_refresh_that_fails_is_told_by_its_own_error(
    library: Any, make_source: MakeSource, pair: Control
) -> None:
    """It is not one of the library's, whose callers would take it for the API's; the connection is free again."""
    storage = MemoryStorage()
    await make_source(storage).login("zs", PASSWORD)
    source = make_source(storage, refresh_timeout_s=0.1)
    async with client(library, source, pair, limits=library.Limits(max_connections=1)) as http:
        await pair.expire()
        await pair.fault("refresh", *[Fault("status", status=503)] * 20)
        with pytest.raises(RefreshUnavailable):
            await http.get("/things")

        assert 200 == (await http.get("/public", auth=None)).status_code


async def test_a_cancelled_request_leaves_the_pool_whole(library: Any, source: TokenSource, pair: Control) -> None:
    """With one connection, a caller that gives up during the refresh holds up nobody."""
    async with client(library, source, pair, limits=library.Limits(max_connections=1)) as http:
        await pair.expire()
        await pair.fault("refresh", Fault("hang_before"))
        impatient = asyncio.create_task(http.get("/things"))
        await pair.wait_for_hanging()
        impatient.cancel()
        await asyncio.wait([impatient])
        await pair.release()

        assert 200 == (await http.get("/things")).status_code
    assert impatient.cancelled()
    assert {"reuses": 0} == await pair.counts("reuses")


async def test_threads_stream_likewise(library: Any, thread_source: ThreadSource, pair: Control) -> None:
    """The blocking Client: a stream after a 401, and a 401 that a hook has taken."""

    def read() -> list[str]:
        auth = BearerAuth(thread_source, origins=[pair.api_url])
        url = f"{pair.api_url}/stream"
        with library.Client(auth=auth, timeout=HANGS_S) as http, http.stream("GET", url) as response:
            return list(response.iter_lines())

    def spoil() -> str:
        auth = BearerAuth(thread_source, origins=[pair.api_url])
        hooks = {"response": [lambda response: response.close()]}
        with library.Client(auth=auth, event_hooks=hooks, timeout=HANGS_S) as http:
            try:
                http.get(f"{pair.api_url}/things")
            except NotReplayable as error:
                return str(error)
        return "no error"

    await pair.expire()

    assert 100 == len(await asyncio.to_thread(read))
    await pair.expire()
    assert "response hook" in await asyncio.to_thread(spoil)
    assert {"refresh_calls": 2} == await pair.counts("refresh_calls")


@pytest.mark.parametrize("body", [None, {"a": 1}])
async def test_a_request_that_is_sent_again_is_signed_anew(http: Any, pair: Control, body: object) -> None:
    """It bears the last token as if it were the caller's own."""
    request = http.build_request("POST", "/echo", json=body)
    assert 200 == (await http.send(request)).status_code
    await pair.expire()

    assert 200 == (await http.send(request)).status_code
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_a_redirect_that_the_caller_follows_is_signed_anew(
    library: Any, source: TokenSource, pair: Control
) -> None:
    """The library takes the last token along, at home."""
    async with client(library, source, pair, follow_redirects=False) as http:
        answer = await http.get("/redirect", params={"to": "/things"})
        await pair.expire()

        assert 200 == (await http.send(answer.next_request)).status_code


def test_trio_is_told(library: Any) -> None:
    """Not by an event loop that is missing."""
    origin = "http://127.0.0.1:9"
    flow = BearerAuth(TokenSource(origin), origins=[origin]).async_auth_flow(library.Request("GET", origin))
    # As trio drives it: no event loop of asyncio runs.
    with pytest.raises(ConfigurationError, match="needs asyncio"):
        anext(flow).send(None)
