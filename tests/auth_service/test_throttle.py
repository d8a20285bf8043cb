import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress

import pytest
from redis.asyncio import Redis

from auth_service.counters import Counters
from auth_service.errors import Busy, InvalidCredentials, StartupError, TooManyAttempts, Unavailable
from auth_service.throttle import Throttle
from tests.redis_server import RedisServer, redis_server

HOME, ELSEWHERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real server."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
async def counters(request: pytest.FixtureRequest) -> AsyncIterator[Counters]:
    """Counters of either kind, at zero."""
    url = "memory://"
    if request.param == "redis":
        url = request.getfixturevalue("redis").url
        async with Redis.from_url(url) as client:
            await client.flushall()
    async with aclosing(Counters(url)) as counters:
        yield counters


@pytest.fixture
def throttle(counters: Counters) -> Throttle:
    """Two failures a minute for a name, twenty for an address."""
    return Throttle(counters, 2)


async def fail(throttle: Throttle, name: str, address: str, times: int = 1) -> None:
    """Fail so many times."""
    for _ in range(times):
        with suppress(InvalidCredentials):
            async with throttle.attempt(name, address):
                raise InvalidCredentials


async def succeed(throttle: Throttle, name: str, address: str) -> None:
    """Log in."""
    async with throttle.attempt(name, address):
        pass


async def test_failures_below_the_limit_are_allowed(throttle: Throttle) -> None:
    """One failure less than the limit stops nobody."""
    await fail(throttle, "zs", HOME, 1)

    await succeed(throttle, "zs", HOME)


class Time:
    """Stands in for the module ``time``, and stands still."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        """Return seconds since the epoch."""
        return self.now

    monotonic = time


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Time:
    """The time of counters in memory, which passes only when told to."""
    stopped = Time()
    for module in ("auth_service.counters", "limits.aio.storage.memory"):
        monkeypatch.setattr(f"{module}.time", stopped)
    return stopped


async def told(throttle: Throttle) -> int:
    """Return in how many seconds an attempt that must be refused is told to come back."""
    with pytest.raises(TooManyAttempts) as caught:
        await succeed(throttle, "zs", HOME)
    return caught.value.retry_after_s or 0


@pytest.mark.parametrize(("passed", "left"), [(0, 60), (0.5, 60), (1, 59), (59, 1), (59.5, 1)])
async def test_the_limit_says_when_to_come_back(stopped: Time, passed: float, left: int) -> None:
    """At the limit an attempt is refused, with the whole seconds until one is allowed: then it is, and not before."""
    throttle = Throttle(Counters("memory://"), 2)
    await fail(throttle, "zs", HOME, 2)
    stopped.now += passed

    assert left == await told(throttle)
    stopped.now += 60 - passed - 0.25
    assert 1 == await told(throttle)
    stopped.now += 0.25
    await succeed(throttle, "zs", HOME)


async def test_redis_says_when_to_come_back(redis: RedisServer) -> None:
    """Never too early, and no later than the second after: by its own clock, of whole seconds."""
    async with aclosing(Counters(redis.url)) as counters, Redis.from_url(redis.url) as client:
        await client.flushall()
        throttle = Throttle(counters, 1)
        await fail(throttle, "zs", HOME)
        before_s = max([await client.pttl(key) for key in await keys_in(redis)]) / 1000
        seconds = await told(throttle)
        after_s = max([await client.pttl(key) for key in await keys_in(redis)]) / 1000

    assert after_s <= seconds <= before_s + 2


async def test_refused_attempts_do_not_lengthen_the_wait(stopped: Time) -> None:
    """Knocking on while refused neither moves the end of the window nor counts for the next."""
    throttle = Throttle(Counters("memory://"), 2)
    await fail(throttle, "zs", HOME, 2)
    waits = []
    for _ in range(5):
        stopped.now += 10
        waits.append(await told(throttle))

    assert [50, 40, 30, 20, 10] == waits
    assert 18 == await allowed(throttle, HOME)


async def allowed(throttle: Throttle, address: str) -> int:
    """Return how many failures an address has left, by using them up."""
    for number in range(1000):
        try:
            await fail(throttle, f"probe {number}", address)
        except TooManyAttempts:
            return number
    raise AssertionError("no limit")


async def test_a_stranger_elsewhere_locks_nobody_out(throttle: Throttle) -> None:
    """Failures from another address do not count against the user's own."""
    await fail(throttle, "zs", ELSEWHERE, 2)

    await succeed(throttle, "zs", HOME)


async def test_a_success_forgets_the_failures_of_its_name(throttle: Throttle) -> None:
    """Who remembers the password at last starts again at zero."""
    for _ in range(5):
        await fail(throttle, "zs", HOME, 1)
        await succeed(throttle, "zs", HOME)

    await fail(throttle, "zs", HOME, 1)
    await succeed(throttle, "zs", HOME)


async def test_a_success_does_not_pardon_its_address(throttle: Throttle) -> None:
    """An attacker with one good account cannot reset the count of an address."""
    for number in range(20):
        await fail(throttle, f"victim {number}", HOME)
        if number < 19:
            await succeed(throttle, "mine", HOME)

    with pytest.raises(TooManyAttempts):
        await succeed(throttle, "mine", HOME)


async def test_honest_users_behind_one_address_are_no_flood(throttle: Throttle) -> None:
    """Any number of successes from one address leaves it all of its failures."""
    for number in range(60):
        await succeed(throttle, f"employee {number}", HOME)

    assert 20 == await allowed(throttle, HOME)


async def test_attempts_in_parallel_do_not_slip_past_the_count(throttle: Throttle) -> None:
    """Of a hundred guesses at once, no more are looked at than may fail."""
    looked_at = 0

    async def guess() -> None:
        nonlocal looked_at
        async with throttle.attempt("zs", HOME):
            looked_at += 1
            await asyncio.sleep(0)
            raise InvalidCredentials

    outcomes = await asyncio.gather(*(guess() for _ in range(100)), return_exceptions=True)

    assert 2 == looked_at
    assert {InvalidCredentials: 2, TooManyAttempts: 98} == {
        kind: sum(type(outcome) is kind for outcome in outcomes) for kind in (InvalidCredentials, TooManyAttempts)
    }


async def test_many_devices_of_one_user_may_start_at_once(throttle: Throttle) -> None:
    """A hundred parallel log-ins with the right password all succeed, though each is counted first."""
    outcomes = await asyncio.gather(*(succeed(throttle, "zs", HOME) for _ in range(100)), return_exceptions=True)

    assert [None] * 100 == outcomes


async def test_a_success_among_refused_attempts_gives_nothing_away(throttle: Throttle) -> None:
    """However many were refused at the time, no count falls below none."""
    guesses = [fail(throttle, "zs", HOME) for _ in range(50)]
    await asyncio.gather(succeed(throttle, "zs", HOME), *guesses, return_exceptions=True)
    await succeed(throttle, "zs", ELSEWHERE)
    await asyncio.gather(*(fail(throttle, "zs", ELSEWHERE) for _ in range(50)), return_exceptions=True)

    with pytest.raises(TooManyAttempts):
        await succeed(throttle, "zs", ELSEWHERE)


async def test_an_attempt_that_could_not_be_decided_is_not_counted(throttle: Throttle) -> None:
    """Busy, Unavailable and faults of the service say nothing about a password."""
    for problem in (Busy, Unavailable, ZeroDivisionError, asyncio.CancelledError, Busy):
        with pytest.raises(problem):
            async with throttle.attempt("zs", HOME):
                raise problem

    assert 20 == await allowed(throttle, HOME)


@pytest.mark.parametrize(
    ("failing", "other"),
    [
        (("a/192.0.2.1", ELSEWHERE), ("a", HOME)),
        (("a/b", HOME), ("b", HOME)),
        (("a", HOME), ("A", HOME)),
        (("a", "2001:db8:0:1::1"), ("a", "2001:db8:0:2::1")),
    ],
)
async def test_names_do_not_run_into_each_other(
    throttle: Throttle, failing: tuple[str, str], other: tuple[str, str]
) -> None:
    """Whatever characters a name has, it counts for itself."""
    await fail(throttle, *failing, 2)

    await succeed(throttle, *other)


@pytest.mark.parametrize(
    ("one", "other"), [("2001:db8:0:1::1", "2001:db8:0:1:ffff::9"), ("::ffff:192.0.2.1", "192.0.2.1")]
)
async def test_one_ipv6_network_is_one_address(throttle: Throttle, one: str, other: str) -> None:
    """All of a /64 counts as one address, and IPv4 is the same however it is written."""
    await fail(throttle, "zs", one, 2)

    with pytest.raises(TooManyAttempts):
        await succeed(throttle, "zs", other)


async def test_a_site_of_many_ipv6_networks_is_limited(throttle: Throttle) -> None:
    """All of a /48 has ten times what an address has, whichever of its /64 are used; the next /48 has its own."""
    for number in range(10):
        await fail(throttle, f"name {number}", f"2001:db8:1:{number}::1")
        for other in range(19):
            await fail(throttle, f"name {number}-{other}", f"2001:db8:1:{number}::2")

    with pytest.raises(TooManyAttempts):
        await succeed(throttle, "zs", "2001:db8:1:ffff::1")
    await succeed(throttle, "zs", "2001:db8:2::1")


async def keys_in(redis: RedisServer) -> list[bytes]:
    """Return the keys that it holds."""
    async with Redis.from_url(redis.url) as client:
        return [key async for key in client.scan_iter()]


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
    """Log-ins go on without delay and stay limited; when Redis is back it counts again, within seconds."""
    async with aclosing(Counters(redis.url)) as counters:
        throttle = Throttle(counters, 2)
        await succeed(throttle, "away", HOME)
        redis.kill()
        began = time.monotonic()
        await fail(throttle, "away", HOME, 2)
        with pytest.raises(TooManyAttempts):
            await succeed(throttle, "away", HOME)
        took = time.monotonic() - began
        redis.start()
        while not await keys_in(redis):
            assert time.monotonic() < began + 30
            await fail(throttle, "away", f"address {time.monotonic()}")
            await asyncio.sleep(0.05)

    assert took < 5


@pytest.mark.parametrize("url", ["", "memory", "mongodb://x", "http://x", "redis", "file:///etc/passwd"])
def test_another_storage_is_named(url: str) -> None:
    """Only memory and Redis count."""
    with pytest.raises(StartupError, match="AUTH_LIMITS_URL"):
        Counters(url)
