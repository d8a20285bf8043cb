"""Bad input over bare connections: it is refused, others are answered, and what it weighed is not kept."""

import asyncio
import re
from collections.abc import Coroutine

import pytest

from tests.connection import connected
from tests.deadline import HANGS_S
from tests.system.processes import Service
from tests.system.raw import answers_others, exchange, footprint

MIB = 1024 * 1024
BOMBS_AT_ONCE, WAVES = 20, 6
PIPELINES = 100
GOOD = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"

BOMBS = {
    "one long header": b"GET / HTTP/1.1\r\nHost: a\r\nX-Bomb: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)) + b"\r\n",
    "a long path": b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "zeros": b"\x00" * 1_000_000,
}


async def test_header_bombs_are_refused_and_not_kept(service: Service) -> None:
    """Heads beyond the limits are 4xx, or cut off; one wave of them leaves less than 64 MiB, and so do six."""
    before = await footprint(service)
    growth = []
    for _ in range(WAVES):
        await drop_bombs(service)
        growth.append(before.growth())
    await before.descriptors_given_up()

    assert max(growth) < 64 * MIB, growth
    # Level, too: what a wave leaves is used by the next one.
    assert growth[-1] - growth[0] < 16 * MIB, growth


async def drop_bombs(service: Service) -> None:
    """Send each bomb many times at once; each must be refused, and others answered meanwhile."""
    for name, head in BOMBS.items():
        for answer in await while_others_are_answered(
            service, *(exchange(service, head) for _ in range(BOMBS_AT_ONCE))
        ):
            assert answer == b"" or re.match(rb"HTTP/1\.[01] 4", answer), (name, answer[:80])


async def while_others_are_answered(service: Service, *exchanges: Coroutine[None, None, bytes]) -> list[bytes]:
    """Return what the exchanges bring; as long as they are under way, others must be answered."""
    under_way = asyncio.gather(*exchanges)
    try:
        while not under_way.done():
            await answers_others(service)
        return await under_way
    finally:
        under_way.cancel()


async def test_bombs_behind_a_declined_upgrade_are_not_kept(service: Service) -> None:
    """What follows a request for another protocol, which is declined, is refused as any other head."""
    upgrade = b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    before = await footprint(service)
    for _ in range(WAVES):
        bombs = (exchange(service, upgrade + BOMBS["zeros"]) for _ in range(BOMBS_AT_ONCE))
        answers = await while_others_are_answered(service, *bombs)
        assert all(answer == b"" or answer.startswith(b"HTTP/1.1 200 ") for answer in answers), answers
    await before.descriptors_given_up()

    assert before.growth() < 64 * MIB


async def test_a_broken_request_ends_its_pipeline_and_no_other(service: Service) -> None:
    """What was answered before it stays answered; it is 400, and what follows it on that connection is never served."""
    async with connected(service.url.host, service.url.port) as (reader, writer):
        writer.write(GOOD * 3)
        for _ in range(3):
            assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b"}"), HANGS_S)
        writer.write(b"BROKEN\r\n\r\n" + GOOD * 3)
        rest = await asyncio.wait_for(reader.read(), HANGS_S)
    await answers_others(service)

    assert rest.startswith(b"HTTP/1.0 400 ")
    assert 1 == rest.count(b"HTTP/1.")


@pytest.mark.parametrize("parts", [1, 7], ids=["in one piece", "in pieces"])
async def test_broken_pipelines_at_once_end_with_one_400_each(service: Service, parts: int) -> None:
    """Nothing after the broken request is answered; what came in one piece with it is refused with it."""
    pipeline = GOOD * 3 + b"BROKEN\r\n\r\n" + GOOD * 3
    size = -(-len(pipeline) // parts)
    pieces = [pipeline[start : start + size] for start in range(0, len(pipeline), size)]
    before = await footprint(service)
    answers = await while_others_are_answered(service, *(exchange(service, *pieces) for _ in range(PIPELINES)))
    await before.descriptors_given_up()
    statuses = {b" ".join(re.findall(rb"HTTP/1\.[01] (\d+)", answer)) for answer in answers}

    assert statuses <= {b"400", b"200 400", b"200 200 400", b"200 200 200 400", b""}
    assert before.growth() < 16 * MIB
