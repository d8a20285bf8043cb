"""The proxy withholds whole answers, tells of each, and hides no failure of those that it tells."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from tests.connection import closed, connected, listening
from tests.deadline import HANGS_S
from tests.system.proxy import Exchange, Fate, Proxy

_REQUEST = b"POST /refresh HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
_ON_ITS_WAY_S = 0.02
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345"


@asynccontextmanager
async def _answering(parts: list[bytes]) -> AsyncIterator[int]:
    """Yield the port of a server that answers in parts, the next once the last has been on its way."""
    ended = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        for part in parts:
            writer.write(part)
            await asyncio.sleep(_ON_ITS_WAY_S)
        await closed(writer)
        ended.set()

    async with listening(answer) as port:
        yield port
        await ended.wait()


async def _ask(parts: list[bytes], fate: Fate, on_dropped: Exchange) -> tuple[bytes, list[bytes]]:
    """Return what the asker gets, and the requests of which nobody knows what became."""
    unanswered: list[bytes] = []
    async with (
        _answering(parts) as port,
        Proxy(lambda: [port], random.Random(1), on_dropped, on_unanswered=unanswered.append) as proxy,
    ):
        proxy.misbehave({fate: 1.0})
        async with connected("127.0.0.1", proxy.port) as (reader, writer):
            writer.write(_REQUEST)
            try:
                got = await asyncio.wait_for(reader.read(), HANGS_S)
            except ConnectionError:
                got = b""
    return got, unanswered


@pytest.mark.parametrize("fate", [Fate.CUT_AFTER, Fate.CUT_WITHIN])
@pytest.mark.parametrize("cuts", [[], [10], [30], [-6], [-2], [10, -2]])
async def test_an_answer_in_parts_is_told_whole(fate: Fate, cuts: list[int]) -> None:
    """However an answer that is withheld comes in, it is told once, with all that it promises."""
    edges = [0, *(cut % len(_ANSWER) for cut in cuts), len(_ANSWER)]
    parts = [_ANSWER[start:end] for start, end in pairwise(edges)]
    told: list[tuple[bytes, bytes]] = []
    _, unanswered = await _ask(parts, fate, lambda request, answer: told.append((request, answer)))

    assert [(_REQUEST, _ANSWER)] == told
    assert [] == unanswered


async def test_a_part_of_an_answer_promises_nothing() -> None:
    """A service that dies while it answers has said nothing that anybody knows of."""
    told: list[bytes] = []
    _, unanswered = await _ask([_ANSWER[:-1]], Fate.CUT_AFTER, lambda _request, answer: told.append(answer))

    assert [] == told
    assert [_REQUEST] == unanswered


async def test_a_failure_of_whoever_is_told_is_none_of_the_networks() -> None:
    """What cannot be recorded fails the run: a promise less would be checked."""

    def fails(_request: bytes, _answer: bytes) -> None:
        raise ValueError("no JSON")

    with pytest.raises(ValueError, match="no JSON"):
        await _ask([_ANSWER], Fate.CUT_AFTER, fails)
