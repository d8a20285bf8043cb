"""docs/client.md, loops of one's own: run as they stand there, on a real server that refuses a token."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import grpc
import pytest

from dualtoken.client import TokenSource
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.pair import Control, running_pair
from tests.documentation.blocks import block
from tests.documentation.test_clients import typed

_HEADING = "docs/client.md: gRPC, WebSockets, and loops of your own"


class Answer(NamedTuple):
    """Of an HTTP library that nobody has written an adapter for."""

    status: int


class Api:
    """Refuses the first token that it is shown, for ever."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def accepts(self, token: str) -> bool:
        """Remember *token*, and say whether it is good."""
        self.seen.append(token)
        return token != self.seen[0]


@pytest.fixture
async def pair() -> AsyncIterator[Control]:
    """An auth service."""
    async with running_pair() as pair:
        yield pair


@pytest.fixture
async def tokens(pair: Control) -> AsyncIterator[TokenSource]:
    """A session of it."""
    async with TokenSource(pair.auth_url) as tokens:
        await tokens.login("zs", PASSWORD)
        yield tokens


async def test_a_loop_of_ones_own(tokens: TokenSource) -> None:
    """It sends twice, and refreshes once."""
    api = Api()

    async def send(token: str) -> Answer:
        return Answer(200 if api.accepts(token) else 401)

    names: dict[str, Any] = {"tokens": tokens, "send": send}
    await typed(block(_HEADING).text, names)

    assert Answer(200) == names["answer"]
    assert (["at-1", "at-2"], 1) == (api.seen, tokens.stats.refreshes)


async def test_a_call_of_grpc(tokens: TokenSource) -> None:
    """A real server says UNAUTHENTICATED; the call is answered all the same."""
    api = Api()

    async def serve(request: bytes, context: Any) -> bytes:
        shown = dict(context.invocation_metadata())["authorization"].removeprefix("Bearer ")
        if not api.accepts(shown):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "expired")
        return request.upper()

    server = grpc.aio.server()
    handlers = {"Echo": grpc.unary_unary_rpc_method_handler(serve)}
    server.add_registered_method_handlers("Things", handlers)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("Things", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    names: dict[str, Any] = {"tokens": tokens}
    await typed(block(f"{_HEADING} (2)").text, names)
    call: Callable[[Any, bytes], Awaitable[bytes]] = names["call"]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = await call(channel.unary_unary("/Things/Echo"), b"hello")
    await server.stop(None)

    assert b"HELLO" == answer
    assert (["at-1", "at-2"], 1) == (api.seen, tokens.stats.refreshes)
