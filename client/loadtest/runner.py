"""Runs a load test: checks first, then workers, then the verdict."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import aiohttp
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from yarl import URL

from ..commands.exit_codes import interruptible, sentence
from ..errors import ClientError, ConfigurationError
from ..middleware import BearerAuth
from ..source import TokenSource
from .machine import Machine
from .meter import Meter
from .options import Options, Scenario
from .processes import Line, WorkerFailed, WorkerProcess, worker_processes
from .result import Result
from .view import View

DRAW_EVERY_S: Final = 1.0  # at least; nothing but the time is new in between


async def check(options: Options, password: str) -> None:
    """Log in once, call the resource service once, log out: what fails here would fail a thousand times.

    Raises:
        ConfigurationError: a service does not answer as it should, or knows no such user and password.
    """
    tokens = TokenSource(options.auth_url, refresh_timeout_s=options.timeout_s, allow_insecure=options.allow_insecure)
    async with tokens:
        try:
            opened = await tokens.login(options.username, password)
        except ClientError as error:
            raise ConfigurationError(f"{sentence(error)} ({options.auth_url}, user {options.username!r})") from error
        try:
            await _check_api(options, tokens, opened.scope.split())
        finally:
            with suppress(ClientError):
                await tokens.logout()


async def _check_api(options: Options, tokens: TokenSource, scope: list[str]) -> None:
    if options.scenario in (Scenario.UPLOAD, Scenario.MIXED) and "write" not in scope:
        raise ConfigurationError(f"user {options.username!r} may not upload: its scope lacks 'write'")
    auth = BearerAuth(tokens, origins=[URL(options.api_url).origin()], allow_insecure=options.allow_insecure)
    url = f"{options.api_url.rstrip('/')}/home"
    timeout = aiohttp.ClientTimeout(total=options.timeout_s)
    try:
        async with aiohttp.ClientSession(middlewares=[auth], timeout=timeout) as http, http.get(url) as response:
            if response.status != 200:
                raise ConfigurationError(f"the resource service answers {response.status} to GET {url}")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise ConfigurationError(f"the resource service at {options.api_url} cannot be reached") from error


class Runner:
    """One run.

    Args:
        console: for progress; the standard error, so that the standard output stays free.
    """

    def __init__(self, options: Options, password: str, console: Console) -> None:
        self._options, self._password, self._console = options, password, console
        self._workers: list[WorkerProcess] = []
        self._stopping: set[asyncio.Task[None]] = set()
        self._interrupted = False
        self._heard_at = 0.0  # of the last interval: after it the workers log out, which is no part of the run
        self.result = Result(options, Machine.here(), time.time(), options.workers())
        self._view = View(self.result)

    async def run(self) -> Result:
        """Make the load; after Ctrl-C return what there is so far.

        Raises:
            WorkerFailed: the sessions could not be opened.
        """
        async with worker_processes(self._options, self._password) as self._workers:
            with interruptible(self._interrupt):
                async with self._started() as listening:
                    began_at = self._heard_at = time.monotonic()
                    if not self._interrupted:
                        await self._watch(listening)
                    self.result.finish(self._heard_at - began_at)
        self.result.interrupted = self._interrupted
        return self.result

    @asynccontextmanager
    async def _started(self) -> AsyncIterator[list["asyncio.Task[None]"]]:
        """Have all sessions opened, then let all workers go at once."""
        opened: asyncio.Queue[int] = asyncio.Queue()
        listening = [
            asyncio.create_task(worker.listen(lambda line, n=number: self._take(n, line, opened)))  # type: ignore[misc]
            for number, worker in enumerate(self._workers)
        ]
        try:
            await self._sessions(opened, listening)
            if not self._interrupted:
                await asyncio.gather(*(worker.order("go") for worker in self._workers))
            yield listening
        finally:
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)

    def _take(self, worker: int, line: Line, opened: "asyncio.Queue[int]") -> None:
        if "sessions" in line:
            opened.put_nowait(line["sessions"])
        else:
            self._heard_at = time.monotonic()
            self.result.take(worker, line["interval"], Meter.from_dict(line["meter"]))

    async def _sessions(self, opened: "asyncio.Queue[int]", listening: list["asyncio.Task[None]"]) -> None:
        columns = (TextColumn("opening sessions"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            bar = progress.add_task("", total=self._options.users)
            for _ in range(self._options.users):
                next_one = asyncio.create_task(opened.get())
                await asyncio.wait([next_one, *listening], return_when=asyncio.FIRST_COMPLETED)
                if not next_one.done():
                    next_one.cancel()
                    for task in listening:
                        if task.done():
                            task.result()
                    return
                progress.advance(bar)
                if self._interrupted:
                    return

    async def _watch(self, listening: list["asyncio.Task[None]"]) -> None:
        self._view.start()
        # Drawn by the loop: a thread would read the figures while they change.
        with Live(self._view, console=self._console, auto_refresh=False, transient=True) as live:
            drawing = asyncio.create_task(self._draw(live))
            outcomes = await asyncio.gather(*listening, return_exceptions=True)
            drawing.cancel()
        for outcome in outcomes:
            if isinstance(outcome, WorkerFailed) and not self._interrupted:
                self.result.broken = str(outcome)
            elif isinstance(outcome, BaseException) and not isinstance(outcome, WorkerFailed):
                raise outcome

    async def _draw(self, live: Live) -> None:
        while True:
            live.refresh()
            await asyncio.sleep(min(self._options.interval_s, DRAW_EVERY_S))

    def _interrupt(self) -> None:
        """End the run in order, the first time; the second time at once."""
        if self._interrupted:
            for worker in self._workers:
                worker.kill()
        self._interrupted = self._view.stopping = True
        self._stopping.update(asyncio.create_task(worker.order("stop")) for worker in self._workers)
