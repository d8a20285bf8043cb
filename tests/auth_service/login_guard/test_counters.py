"""Where failures are counted: in memory, or in Redis for several processes together."""

import asyncio
import itertools
from contextlib import aclosing

import pytest
from redis.asyncio import Redis

from dualtoken.auth_service.errors import StartupError, TooManyAttempts
from dualtoken.auth_service.login_guard.counters import Counters
from dualtoken.auth_service.login_guard.throttle import Throttle
from tests.auth_service.attempts import fail, succeed, told
from tests.deadline import HANGS_S
from tests.redis_server import RedisServer

pytestmark = pytest.mark.usefixtures("patient")
HOME = "192.0.2.1"


async def keys_in(redis: RedisServer) -> list[bytes]:
    """Return the keys that it holds."""
    async with Redis.from_url(redis.url) as client:
        return [key async for key in client.scan_iter()]


async def test_redis_says_when_to_come_back(redis: RedisServer) -> None:
    """Never too early, and no later than the second after: by its own clock, of whole seconds."""
    async with aclosing(Counters(redis.url)) as counters, Redis.from_url(redis.url) as client:
        await client.flushall()
        throttle = Throttle(counters, 1)
        await fail(throttle, "zs", HOME)
        before_s = max([await client.pttl(key) for key in await keys_in(redis)]) / 1000
        seconds = await told(throttle, "zs", HOME)
        after_s = max([await client.pttl(key) for key in await keys_in(redis)]) / 1000

    assert after_s <= seconds <= before_s + 2


async def test_what_was_typed_as_a_name_does_not_stand_in_redis(redis: RedisServer) -> None:
    """People type passwords into that field."""
    async with aclosing(Counters(redis.url)) as counters:
        await fail(Throttle(counters, 2), "my secret password", HOME)
    keys = await keys_in(redis)

    assert keys
    assert [] == [key for key in keys if b"secret" in key]


async def test_processes_count_together_through_redis(redis: RedisServer) -> None:
    """What fails at one process counts at the other."""
    async with aclosing(Counters(redis.url)) as here, aclosing(Counters(redis.url)) as there:
        await fail(Throttle(here, 2), "together", HOME, 2)

        with pytest.raises(TooManyAttempts):
            await succeed(Throttle(there, 2), "together", HOME)


async def test_while_redis_is_away_each_process_counts_for_itself(redis: RedisServer) -> None:
    """Log-ins go on and stay limited; when Redis is back it counts again."""
    async with aclosing(Counters(redis.url)) as counters:
        throttle = Throttle(counters, 2)
        await succeed(throttle, "away", HOME)
        redis.kill()
        await fail(throttle, "away", HOME, 2)
        with pytest.raises(TooManyAttempts):
            await succeed(throttle, "away", HOME)
        redis.start()
        async with asyncio.timeout(HANGS_S):
            for number in itertools.count():
                if await keys_in(redis):
                    break
                await fail(throttle, "away", f"address {number}")
                await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("redis://redis/0", "redis://redis:6379/0"),
        ("rediss://zs:p%40@redis:/2?x=1", "rediss://zs:p%40@redis:6379/2?x=1"),
        ("redis://[::1]", "redis://[::1]:6379"),
        ("redis://redis:7000/0", "redis://redis:7000/0"),
    ],
)
def test_the_port_of_redis_goes_without_saying(monkeypatch: pytest.MonkeyPatch, url: str, asked: str) -> None:
    """As for all that take such a URL."""
    made: list[str] = []
    monkeypatch.setattr(f"{Counters.__module__}.storage_from_string", lambda text, **_options: made.append(text))
    Counters(url)

    assert [f"async+{asked}"] == made


@pytest.mark.parametrize(
    "url",
    [
        "redis://redis:port/0",
        "redis://:secret@[::1",
        "",
        "memory",
        "mongodb://x",
        "http://x",
        "redis",
        "file:///etc/passwd",
    ],
)
def test_another_storage_is_named(url: str) -> None:
    """Only memory and Redis count."""
    with pytest.raises(StartupError, match="AUTH_LIMITS_URL: must be memory:// or redis://") as caught:
        Counters(url)
    assert "secret" not in str(caught.value)
