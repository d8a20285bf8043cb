"""Bytes over bare connections, and what they cost the service that gets them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import psutil

from tests.connection import Connection, aborted, connect, connected
from tests.deadline import HANGS_S
from tests.system.eventually import eventually
from tests.system.processes import Service

_SPARE_DESCRIPTORS = 10


@dataclass(frozen=True)
class Footprint:
    """What the service's process had when it was measured: bytes resident, and open descriptors."""

    process: psutil.Process
    memory: int
    descriptors: int

    def growth(self) -> int:
        """Return how many bytes more it has now."""
        return int(self.process.memory_info().rss) - self.memory

    async def descriptors_given_up(self) -> None:
        """Return once it has no more descriptors open than before, a few for its own work aside.

        Raises:
            TimeoutError: it keeps them.
        """
        await eventually(lambda: self.process.num_fds() <= self.descriptors + _SPARE_DESCRIPTORS)


async def footprint(service: Service) -> Footprint:
    """Measure a service that has answered somebody."""
    await answers_others(service)
    process = psutil.Process(service.pid)
    return Footprint(process, process.memory_info().rss, process.num_fds())


@contextlib.asynccontextmanager
async def connections(service: Service, number: int) -> AsyncIterator[list[Connection]]:
    """Hold that many connections open until the end of the block."""
    opened: list[Connection] = []
    try:
        while len(opened) < number:
            opened.append(await connect(service.url.host, service.url.port))
        yield opened
    finally:
        for _, writer in opened:
            await aborted(writer)


async def exchange(service: Service, *parts: bytes) -> bytes:
    """Send bytes; return all that comes back until the service closes; nothing, if it closes before it has read all."""
    async with connected(service.url.host, service.url.port) as (reader, writer):
        with contextlib.suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
        try:
            return await asyncio.wait_for(reader.read(), HANGS_S)
        except ConnectionError:
            return b""


async def answers_others(service: Service) -> None:
    """Assert that somebody else is answered, and soon."""
    timeout = aiohttp.ClientTimeout(total=HANGS_S)
    async with aiohttp.ClientSession(timeout=timeout) as http, http.get(service.url / "health/live") as response:
        assert 200 == response.status
