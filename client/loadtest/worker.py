"""One process that makes load: ``python -m client.loadtest.worker``.

Speaks JSON, one object a line. It reads its assignment (with the password, which no argument may carry), and writes
``{"sessions": n}`` as they are opened. On ``go`` it runs and writes ``{"interval": i, …}`` for each interval; on
``stop``, or when its standard input ends, it begins no more requests, waits for those under way, and writes
``{"done": …}``. What cannot work it says as ``{"problem": sentence}``.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Final

import aiohttp

from ..commands.exit_codes import sentence
from ..errors import ClientError
from .meter import EXCHANGE, LAG
from .operations import Operations, Wrong, sequence
from .options import Options, Scenario, share
from .pacing import Pacer
from .sessions import log_in, log_out, write
from .users import Now, VirtualUser, met_refresh

LAG_EVERY_S: Final = 0.02
DRAIN_GRACE_S: Final = 5.0  # for requests under way at the end, beyond their own limits


class Worker:
    """One part of the load.

    Args:
        options: of the whole run.
        part: which part, of *parts*.
        write: sends a line to the runner.
    """

    def __init__(self, options: Options, password: str, part: int, parts: int) -> None:
        self._options, self._password = options, password
        self._part, self._parts = part, parts
        self._now = Now()
        self._users: list[VirtualUser] = []
        self._cpu_s = 0.0
        self._interval = 0
        self._pacer: Pacer | None = None

    async def run(self, orders: asyncio.StreamReader) -> None:
        """Open the sessions, wait for ``go``, make the load, close the sessions."""
        async with AsyncExitStack() as stack:
            auth_http = await stack.enter_async_context(self._auth_http())
            operations = Operations(self._options, self._password, auth_http)
            connector = await stack.enter_async_context(aiohttp.TCPConnector(limit=0))
            for _ in range(share(self._options.users, self._parts, self._part)):
                user = self._user(auth_http, connector)
                self._users.append(await stack.enter_async_context(user))
            order = asyncio.create_task(orders.readline())
            try:
                await log_in(self._users, self._options.username, self._password, order)
                self._now.turn()  # logging in is no part of the load
                if (await order).strip() == b"go":
                    await self._load(orders, operations)
            finally:
                order.cancel()
                await log_out(self._users)

    def stop(self) -> None:
        """Begin no more requests."""
        if self._pacer is not None:
            self._pacer.stop()

    def _user(self, auth_http: aiohttp.ClientSession, connector: aiohttp.BaseConnector) -> VirtualUser:
        options = self._options
        return VirtualUser(
            options.auth_url,
            options.api_url,
            auth_http=auth_http,
            connector=connector,
            timeout_s=options.timeout_s,
            allow_insecure=options.allow_insecure,
            now=self._now,
        )

    @asynccontextmanager
    async def _auth_http(self) -> AsyncIterator[aiohttp.ClientSession]:
        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(self._exchange_begins)
        trace.on_request_end.append(self._exchange_ends)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(
            connector=connector, trace_configs=[trace], cookie_jar=aiohttp.DummyCookieJar()
        ) as http:
            yield http

    async def _exchange_begins(
        self, _http: aiohttp.ClientSession, context: SimpleNamespace, _request: aiohttp.TraceRequestStartParams
    ) -> None:
        context.began_at = time.monotonic()

    async def _exchange_ends(
        self, _http: aiohttp.ClientSession, context: SimpleNamespace, answer: aiohttp.TraceRequestEndParams
    ) -> None:
        if answer.url.path.endswith("/refresh"):
            self._now.meter.record(EXCHANGE, time.monotonic() - context.began_at)
            self._now.meter.counts.refreshes += answer.response.status == 200

    async def _load(self, orders: asyncio.StreamReader, operations: Operations) -> None:
        options = self._options
        rate = None if options.rate is None else options.rate / self._parts
        self._pacer = Pacer(
            time.monotonic,  # an event loop's own clock may tick in milliseconds
            duration_s=options.duration_s,
            requests=None if options.requests is None else share(options.requests, self._parts, self._part),
            rate=rate,
            offset_s=0.0 if options.rate is None else self._part / options.rate,
        )
        self._cpu_s = time.process_time()
        helpers = [
            asyncio.create_task(work)
            for work in (self._listen(orders), self._beat(), self._probe(), self._report_intervals())
        ]
        kinds = sequence(options.scenario)
        count = share(options.lanes, self._parts, self._part)
        lanes = [asyncio.create_task(self._lane(number, count, kinds, operations)) for number in range(count)]
        await self._drained(lanes)
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        self._now.meter.counts.not_begun += self._pacer.not_begun()
        # A last refresh may have been answered just now: its callback has yet to be run.
        await asyncio.gather(*(user.source.aclose() for user in self._users))
        self._report_interval()

    async def _drained(self, lanes: list["asyncio.Task[None]"]) -> None:
        """Wait for all lanes; once nothing more is begun, for so long and no longer."""
        assert self._pacer is not None  # noqa: S101 - lanes are made after it
        over = asyncio.create_task(self._pacer.over.wait())
        running = asyncio.create_task(asyncio.wait(lanes, return_when=asyncio.FIRST_EXCEPTION))
        await asyncio.wait([over, running], return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        # A log-in has a log-out behind it, and a wait for a refresh may have another: each with a limit of its own.
        await asyncio.wait([running], timeout=2 * self._options.timeout_s + DRAIN_GRACE_S)
        self.stop()  # aiohttp may take a cancellation for its own: such a lane must find nothing to begin
        for lane in lanes:
            lane.cancel()
        await asyncio.wait([running, *lanes])
        for lane in lanes:
            if lane.cancelled():
                self._now.meter.counts.failed += 1
                self._now.meter.errors["not ended in time"] += 1
            else:
                lane.result()

    async def _lane(self, number: int, lanes: int, kinds: Iterator[Scenario], operations: Operations) -> None:
        """Send one request after the other."""
        assert self._pacer is not None  # noqa: S101 - lanes are made after it
        # With as many users as lanes no two lanes share one; refreshes of one session could not run side by side.
        users = self._users[number::lanes] or [self._users[number % len(self._users)]]
        turn = 0
        while (due := await self._pacer.next_start()) is not None:
            turn += 1
            kind = next(kinds)
            met_refresh.set(False)
            error, clean_up = None, None
            try:
                clean_up = await operations.send(kind, users[turn % len(users)])
            except (Wrong, ClientError, aiohttp.ClientError, TimeoutError, OSError) as caught:
                error = _kind_of(caught)
            meter = self._now.meter
            meter.record(kind, time.monotonic() - due, met=met_refresh.get())
            meter.counts.requests += 1
            if error is not None:
                meter.counts.failed += 1
                meter.errors[error] += 1
            if clean_up is not None:
                with suppress(ClientError):
                    await clean_up()

    async def _listen(self, orders: asyncio.StreamReader) -> None:
        """Wait for ``stop``; whoever started this process may also just have gone."""
        await orders.readline()
        self.stop()

    async def _beat(self) -> None:
        if (every := self._options.expire_every_s) is None:
            return
        began_at = time.monotonic()
        beat = 1
        while True:
            await asyncio.sleep(began_at + beat * every - time.monotonic())
            for user in self._users:
                user.expire()
            beat += 1

    async def _probe(self) -> None:
        """Measure by how much this process itself is late."""
        while True:
            due = time.monotonic() + LAG_EVERY_S
            await asyncio.sleep(LAG_EVERY_S)
            self._now.meter.record(LAG, time.monotonic() - due)

    async def _report_intervals(self) -> None:
        began_at = time.monotonic()
        while True:
            await asyncio.sleep(began_at + (self._interval + 1) * self._options.interval_s - time.monotonic())
            self._report_interval()

    def _report_interval(self) -> None:
        for user in self._users:
            user.collect()
        meter = self._now.turn()
        before, self._cpu_s = self._cpu_s, time.process_time()
        meter.cpu_s = self._cpu_s - before
        write({"interval": self._interval, "meter": meter.as_dict()})
        self._interval += 1


def _kind_of(error: BaseException) -> str:
    if isinstance(error, Wrong):
        return str(error)
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ClientError):
        return f"{type(error).__name__}: {sentence(error)}"
    return type(error).__name__


async def _standard_input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def main() -> None:
    """Do what the runner asks for."""
    orders = await _standard_input()
    assignment = json.loads(await orders.readline())
    options = assignment["options"] | {"scenario": Scenario(assignment["options"]["scenario"])}
    worker = Worker(Options(**options), assignment["password"], assignment["part"], assignment["parts"])
    try:
        await worker.run(orders)
    except* (ClientError, aiohttp.ClientError, TimeoutError, OSError) as group:
        write({"problem": sentence(_first(group))})
    write({"done": True})


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


if __name__ == "__main__":
    if os.name == "nt":
        asyncio.run(main())
    else:
        import uvloop

        uvloop.run(main())
