"""A proxy that misbehaves: it spreads connections over services, loses requests, and loses answers after the commit."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Self

from tests.connection import aborted, connect

_CHUNK = 64 * 1024
_OK = b"HTTP/1.1 200"
_LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)


class Fate(StrEnum):
    """What becomes of one request."""

    PASS = "passed"
    CUT_BEFORE = "cut before it arrived"
    CUT_AFTER = "answer dropped"
    CUT_WITHIN = "answer torn"
    HANG_UP = "hung up on"


Exchange = Callable[[bytes, bytes], None]


class Proxy:
    """Forwards TCP to one of *targets*, chosen for each connection; draws a fate for each request on it.

    ``CUT_AFTER`` waits until the answer is there: the request was processed, and its sender will never know.
    ``HANG_UP`` leaves while the request is processed: nobody knows.

    Args:
        targets: the ports of the moment; none refuses the connection.
        rng: what the fates are drawn from.
        on_dropped: told request and answer of each 200 that was withheld.
        on_withheld: told request and answer of each that was withheld, whatever its status.
        on_unanswered: told each request, or its beginning, that was passed on and of which nobody knows what became.
        port: where it listens; 0: where the system lets it.
    """

    def __init__(
        self,
        targets: Callable[[], list[int]],
        rng: random.Random,
        on_dropped: Exchange = lambda _request, _answer: None,
        on_withheld: Exchange = lambda _request, _answer: None,
        on_unanswered: Callable[[bytes], None] = lambda _request: None,
        *,
        port: int = 0,
    ) -> None:
        self.port = port
        self.fates: Counter[Fate] = Counter()
        self._targets, self._rng, self._on_dropped = targets, rng, on_dropped
        self._on_withheld, self.on_unanswered = on_withheld, on_unanswered
        self._weights: Mapping[Fate, float] = {Fate.PASS: 1.0}
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []
        self._is_cut = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)  # noqa: TID251 - ends its connections itself
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._end_connections()
        if self._failures:
            raise self._failures[0]  # what was to be told was not: whoever counts on it counts wrong

    @property
    def url(self) -> str:
        """Return the address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def misbehave(self, weights: Mapping[Fate, float]) -> None:
        """From now on, draw the fate of each request by *weights*; so far, everything passed."""
        self._weights = weights

    def behave(self) -> None:
        """Let everything pass from now on."""
        self._weights = {Fate.PASS: 1.0}

    async def cut(self) -> None:
        """Break every connection and let none through, until ``mend``."""
        self._is_cut = True
        await self._end_connections()

    def mend(self) -> None:
        """Let connections through again."""
        self._is_cut = False

    async def _end_connections(self) -> None:
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._connections.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failures.append(failure)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ports = self._targets()
        back = None
        try:
            if ports and not self._is_cut:
                with suppress(OSError):
                    back_reader, back = await connect("127.0.0.1", self._rng.choice(ports))
                    connection = _Connection(self, reader, writer, back_reader, back)
                    try:
                        await _first_of(*connection.directions())
                    finally:
                        connection.ended()
        finally:
            for stream in (writer, back):
                if stream is not None:
                    # Not closed: the other side sees a broken connection, never an orderly end.
                    await aborted(stream)

    def draw(self) -> Fate:
        """Draw what becomes of the request that begins."""
        fate = self._rng.choices(list(self._weights), list(self._weights.values()))[0]
        self.fates[fate] += 1
        return fate

    def dropped(self, request: bytes, answer: bytes) -> None:
        """Tell of an answer that its asker will not get."""
        self._on_withheld(request, answer)
        if answer.startswith(_OK):
            self._on_dropped(request, answer)


class _Connection:
    """One connection, one request after the other: what flows back ends a request, what then flows in begins one."""

    def __init__(
        self,
        proxy: Proxy,
        front_reader: asyncio.StreamReader,
        front: asyncio.StreamWriter,
        back_reader: asyncio.StreamReader,
        back: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._front_reader, self._front, self._back_reader, self._back = front_reader, front, back_reader, back
        self._request: bytes | None = None
        self._fate = Fate.PASS

    def directions(self) -> tuple[Awaitable[None], Awaitable[None]]:
        """Return what forwards requests and what forwards answers; the first to return ends the connection."""
        return self._requests(), self._answers()

    def ended(self) -> None:
        """Tell of a request that was passed on and not answered."""
        if self._request and self._fate is not Fate.CUT_BEFORE:
            self._proxy.on_unanswered(self._request)

    async def _requests(self) -> None:
        while chunk := await self._front_reader.read(_CHUNK):
            if self._request is None:
                self._request, self._fate = b"", self._proxy.draw()
            if self._fate is Fate.CUT_BEFORE:
                return
            self._request += chunk
            self._back.write(chunk)
            await self._back.drain()
            if self._fate is Fate.HANG_UP:
                return

    async def _answers(self) -> None:
        while chunk := await self._back_reader.read(_CHUNK):
            if self._fate in {Fate.CUT_AFTER, Fate.CUT_WITHIN}:
                await self._withhold(chunk)
                return
            self._request = None
            self._front.write(chunk)
            await self._front.drain()

    async def _withhold(self, answer: bytes) -> None:
        while not _is_whole(answer):
            chunk = await self._back_reader.read(_CHUNK)
            if not chunk:
                return  # it died in the middle of its answer: nobody knows
            answer += chunk
        request, self._request = self._request or b"", None
        self._proxy.dropped(request, answer)
        if self._fate is Fate.CUT_WITHIN:
            self._front.write(answer[: len(answer) // 2])
            await self._front.drain()


def _is_whole(answer: bytes) -> bool:
    """Whether head and body of an HTTP answer are there; the services give the length of each."""
    head, end, body = answer.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return bool(end) and len(body) >= (int(length[1]) if length else 0)


async def _first_of(*directions: Awaitable[None]) -> None:
    """Return when one has ended, well or by a broken connection; the others are cancelled."""
    tasks = [asyncio.ensure_future(direction) for direction in directions]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError | OSError):
                raise result
