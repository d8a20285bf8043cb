"""HTTP/1.1 load over keep-alive connections, light enough to saturate a server from one core.

An HTTP client library costs more per request than the servers that are measured here, so this one speaks just enough of
the protocol: answers with a ``Content-Length``, one request at a time on each connection.
"""

import asyncio
import contextlib
import ssl
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; ``head`` is the status line and the headers, as they came."""

    status: int
    head: bytes
    body: bytes


NextRequest = Callable[[Answer | None], bytes]
"""Makes the next request of a connection from its last answer (None at first)."""


@dataclass(slots=True)
class Load:
    """What one run measured."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """How many were answered."""
        return len(self.latencies_s)

    @property
    def per_second(self) -> float:
        """Answers per second over the whole run."""
        return self.requests / self.seconds

    def percentile_s(self, percent: float) -> float:
        """The latency, in seconds, that *percent* of the requests did not exceed."""
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


async def load(
    host: str,
    port: int,
    next_request: Callable[[int], NextRequest],
    *,
    connections: int = 64,
    duration_s: float | None = None,
    count: int | None = None,
    tls: ssl.SSLContext | None = None,
    awake: bool = False,
) -> Load:
    """Keep *connections* connections busy.

    Args:
        host: where to connect.
        port: where to connect.
        next_request: called once per connection with its number; makes what makes its requests.
        connections: how many are busy at once.
        duration_s: stop after so many seconds; or
        count: stop after so many requests in all.
        tls: for https.
        awake: never sleep, where the load has a core to itself: waking it would be charged to the server, and only to
            one that is too slow to keep it awake.

    Returns:
        Throughput, latencies and statuses; ``failures`` names connections that broke.
    """
    if (duration_s is None) == (count is None):
        raise ValueError("exactly one of duration_s and count is needed")
    run = _Run(Load(), left=float("inf") if count is None else count)
    loop = asyncio.get_running_loop()
    protocols = []
    for number in range(connections):
        _, protocol = await loop.create_connection(
            lambda n=number: _Connection(run, next_request(n)), host, port, ssl=tls
        )
        protocols.append(protocol)
    started = time.perf_counter()
    if awake:
        loop.call_soon(_stay_awake, loop, run)
    for protocol in protocols:
        protocol.send(None)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(duration_s):
            await asyncio.gather(*(protocol.done for protocol in protocols))
    run.left = 0
    run.load.seconds = time.perf_counter() - started
    for protocol in protocols:
        protocol.close()
    return run.load


def _stay_awake(loop: asyncio.AbstractEventLoop, run: "_Run") -> None:
    if run.left > 0:
        loop.call_soon(_stay_awake, loop, run)


@dataclass(slots=True)
class _Run:
    load: Load
    left: float


class _Connection(asyncio.Protocol):
    def __init__(self, run: _Run, next_request: NextRequest) -> None:
        self._run = run
        self._next_request = next_request
        self._buffer = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]  # uvloop's transports have another base

    def send(self, last: Answer | None) -> None:
        """Send the next request, unless the run is over."""
        if self._transport is None:
            self._finish()
            return
        request = self._next_request(last)  # the last answer, too, is read: a chain goes on from it another time
        if self._run.left <= 0:
            self._finish()
            return
        self._run.left -= 1
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        answer = _read(self._buffer)
        if answer is None:
            return
        self._buffer = b""
        load = self._run.load
        load.latencies_s.append(time.perf_counter() - self._sent_at)
        load.statuses[answer.status] += 1
        self.send(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self.done.done():
            self._run.load.failures.append(repr(exc))
            self._finish()

    def close(self) -> None:
        self._finish()
        if self._transport is not None:
            self._transport.abort()

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


def _read(data: bytes) -> Answer | None:
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end]
    at = head.find(b"Content-Length: ")
    if at < 0:
        at = head.find(b"content-length: ")
    if at < 0:
        raise ValueError("an answer without Content-Length")
    stop = head.find(b"\r\n", at)
    length = int(head[at + 16 : stop if stop >= 0 else end])
    if len(data) < end + 4 + length:
        return None
    return Answer(int(head[9:12]), head, data[end + 4 : end + 4 + length])
