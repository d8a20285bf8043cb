"""HTTP/1.1 load over keep-alive connections, light enough to saturate a server from one core.

An HTTP client library costs more per request than the servers that are measured here, so this one speaks just enough of
the protocol: answers with a ``Content-Length``, one request at a time on each connection.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; ``head`` is the status line and the headers, as they came."""

    status: int
    head: bytes
    body: bytes


SILENT_S = 30.0
"""How long a run of a given time waits for the answers to what was sent last."""
NextRequest = Callable[[Answer | None], bytes]
"""Makes the next request of a connection from its last answer (None at first)."""


@dataclass(slots=True)
class Load:
    """What one run measured; ``processor_s`` is what the servers spent on it, where somebody looked."""

    seconds: float = 0.0
    processor_s: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    cpu_s: dict[str, float] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        """How many were answered."""
        return len(self.latencies_s)

    @property
    def per_second(self) -> float:
        """Answers per second over the whole run."""
        return self.requests / self.seconds

    @property
    def per_processor_second(self) -> float:
        """Answers per second of the servers' processor time, which other work on the machine disturbs less."""
        return self.requests / max(self.processor_s, 1e-9)

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
    awake: bool = False,
) -> Load:
    """Open connections, keep them busy once, and close them: :class:`Connections` with one run."""
    async with Connections(host, port, next_request, connections) as opened:
        return await opened.run(duration_s=duration_s, count=count, awake=awake)


class Connections:
    """Connections to one server, which stay open from run to run; an asynchronous context manager.

    Args:
        host: where to connect.
        port: where to connect.
        next_request: called once per connection with its number; makes what makes its requests.
        number: how many are busy at once.
    """

    def __init__(self, host: str, port: int, next_request: Callable[[int], NextRequest], number: int) -> None:
        self._host, self._port = host, port
        self._open = [_Connection(next_request(n)) for n in range(number)]

    async def __aenter__(self) -> Self:
        """Connect them all."""
        loop = asyncio.get_running_loop()
        for connection in self._open:
            await loop.create_connection(lambda made=connection: made, self._host, self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close them all."""
        for connection in self._open:
            connection.close()

    async def run(self, *, duration_s: float | None = None, count: int | None = None, awake: bool = False) -> Load:
        """Keep them busy; return when every request that was sent is answered, so that no chain breaks off.

        Args:
            duration_s: send no more after so many seconds; or
            count: after so many requests in all.
            awake: never sleep, where the load has a core to itself: waking it would be charged to the server, and only
                to one that is too slow to keep it awake.

        Returns:
            Throughput, latencies and statuses; ``failures`` names connections that broke.
        """
        if (duration_s is None) == (count is None):
            raise ValueError("exactly one of duration_s and count is needed")
        run = _Run(Load(), left=float("inf") if count is None else count)
        loop = asyncio.get_running_loop()
        deadline = None if duration_s is None else loop.call_later(duration_s, run.end)
        started = time.perf_counter()
        if awake:
            loop.call_soon(_stay_awake, loop, run)
        try:
            async with asyncio.timeout(None if duration_s is None else duration_s + SILENT_S):
                await asyncio.gather(*[connection.work(run) for connection in self._open])
        except TimeoutError:
            run.load.failures.append(f"no answer within {SILENT_S:g} s")
        finally:
            run.end()
            if deadline is not None:
                deadline.cancel()
        run.load.seconds = time.perf_counter() - started
        return run.load


@dataclass(slots=True)
class _Run:
    load: Load
    left: float

    def end(self) -> None:
        self.left = 0


def _stay_awake(loop: asyncio.AbstractEventLoop, run: _Run) -> None:
    if run.left > 0:
        loop.call_soon(_stay_awake, loop, run)


class _Connection(asyncio.Protocol):
    def __init__(self, next_request: NextRequest) -> None:
        self._next_request = next_request
        self._run: _Run | None = None
        self._done: asyncio.Future[None] | None = None
        self._buffer = b""
        self._last: Answer | None = None
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]  # uvloop's transports have another base

    def work(self, run: _Run) -> asyncio.Future[None]:
        """Send and receive until *run* ends; return what is done then."""
        self._run = run
        self._done = asyncio.get_running_loop().create_future()
        if self._transport is None:
            run.load.failures.append("closed before the run")
        self._send()
        return self._done

    def _send(self) -> None:
        assert self._run is not None
        # The last answer, too, is read: a chain goes on from it another time.
        request = self._next_request(self._last)
        if self._transport is None or self._run.left <= 0:
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
        assert self._run is not None
        self._buffer, self._last = b"", answer
        load = self._run.load
        load.latencies_s.append(time.perf_counter() - self._sent_at)
        load.statuses[answer.status] += 1
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._run is not None and self._done is not None and not self._done.done():
            self._run.load.failures.append(repr(exc))
            self._finish()

    def close(self) -> None:
        self._finish()
        if self._transport is not None:
            self._transport.abort()

    def _finish(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(None)


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
