"""How many failed log-ins a name and an address may have, and who is refused then."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress

import pytest
from redis.asyncio import Redis

from dualtoken.auth_service.errors import Busy, InvalidCredentials, InvalidRequest, TooManyAttempts, Unavailable
from dualtoken.auth_service.login_guard.counters import Counters
from dualtoken.auth_service.login_guard.throttle import Throttle
from tests.auth_service.attempts import Time, fail, stop_time, succeed, told

pytestmark = pytest.mark.usefixtures("patient")
HOME, ELSEWHERE = "192.0.2.1", "192.0.2.2"


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


async def test_failures_below_the_limit_are_allowed(throttle: Throttle) -> None:
    """One failure less than the limit stops nobody."""
    await fail(throttle, "zs", HOME, 1)

    await succeed(throttle, "zs", HOME)


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Time:
    """The time of counters in memory, which passes only when told to."""
    return stop_time(monkeypatch)


@pytest.mark.parametrize(("passed", "left"), [(0, 60), (0.5, 60), (1, 59), (59, 1), (59.5, 1)])
async def test_the_limit_says_when_to_come_back(stopped: Time, passed: float, left: int) -> None:
    """At the limit an attempt is refused, with the whole seconds until one is allowed: then it is, and not before."""
    throttle = Throttle(Counters("memory://"), 2)
    await fail(throttle, "zs", HOME, 2)
    stopped.now += passed

    assert left == await told(throttle, "zs", HOME)
    stopped.now += 60 - passed - 0.25
    assert 1 == await told(throttle, "zs", HOME)
    stopped.now += 0.25
    await succeed(throttle, "zs", HOME)


async def test_refused_attempts_do_not_lengthen_the_wait(stopped: Time) -> None:
    """Knocking on while refused neither moves the end of the window nor counts for the next."""
    throttle = Throttle(Counters("memory://"), 2)
    await fail(throttle, "zs", HOME, 2)
    waits = []
    for _ in range(5):
        stopped.now += 10
        waits.append(await told(throttle, "zs", HOME))

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
    for number in range(120):
        await succeed(throttle, f"employee {number}", HOME)

    assert 20 == await allowed(throttle, HOME)


async def test_attempts_in_parallel_do_not_slip_past_the_count(throttle: Throttle) -> None:
    """Of a hundred guesses at once, no more are looked at than may fail."""
    looked_at = 0

    async def guess() -> None:
        nonlocal looked_at
        async with throttle.log_in("zs", HOME):
            looked_at += 1
            await asyncio.sleep(0)
            raise InvalidCredentials

    outcomes = await asyncio.gather(*(guess() for _ in range(100)), return_exceptions=True)

    assert 2 == looked_at
    assert {InvalidCredentials} == {type(outcome) for outcome in outcomes} - {Busy, TooManyAttempts}
    with pytest.raises(TooManyAttempts):
        await succeed(throttle, "zs", HOME)


async def test_what_is_under_way_may_give_room_back(throttle: Throttle) -> None:
    """Devices of one user that start at once are not told to wait for a minute: 503, and a second later they may."""
    async with throttle.log_in("zs", HOME), throttle.log_in("zs", HOME):
        with pytest.raises(Busy):
            await succeed(throttle, "zs", HOME)

    await succeed(throttle, "zs", HOME)


async def test_failures_give_no_room_back(throttle: Throttle) -> None:
    """Once all that was under way has failed, the window's end is what an attempt is told."""
    with suppress(InvalidCredentials):
        async with throttle.log_in("zs", HOME):
            await fail(throttle, "zs", HOME)
            with pytest.raises(Busy):
                await succeed(throttle, "zs", HOME)
            raise InvalidCredentials

    assert 1 <= await told(throttle, "zs", HOME) <= 61


async def test_a_success_among_refused_attempts_gives_nothing_away(throttle: Throttle) -> None:
    """However many were refused at the time, no count falls below none."""
    guesses = [fail(throttle, "zs", HOME) for _ in range(50)]
    await asyncio.gather(succeed(throttle, "zs", HOME), *guesses, return_exceptions=True)
    await succeed(throttle, "zs", ELSEWHERE)
    await asyncio.gather(*(fail(throttle, "zs", ELSEWHERE) for _ in range(50)), return_exceptions=True)

    with pytest.raises(TooManyAttempts):
        await succeed(throttle, "zs", ELSEWHERE)


async def test_several_failures_make_a_network_suspect(counters: Counters) -> None:
    """Beyond three of a hundred, or thirty-three of a /48's thousand; successes and what is under way do not count."""
    throttle = Throttle(counters, 10)
    seen = []
    for _ in range(5):
        async with throttle.log_in("mk", HOME), throttle.log_in("mk", HOME) as asker:
            seen.append(asker.is_suspect)
        await fail(throttle, "zs", HOME)

    assert [False, False, False, False, True] == seen
    async with throttle.log_in("mk", ELSEWHERE) as asker:
        assert not asker.is_suspect


@pytest.mark.parametrize("end", [None, InvalidCredentials, InvalidRequest])
async def test_every_change_of_a_password_counts(throttle: Throttle, end: type[Exception] | None) -> None:
    """Whether it succeeds, the current password is wrong or the new one bad: each costs hashes. Log-ins stay free."""
    for _ in range(2):
        with suppress(InvalidCredentials, InvalidRequest):
            async with throttle.change("session", "user"):
                if end is not None:
                    raise end("x") if end is InvalidRequest else end

    with pytest.raises(TooManyAttempts):
        async with throttle.change("session", "user"):
            pass
    async with throttle.change("another session", "user"):
        pass
    await succeed(throttle, "zs", HOME)


@pytest.mark.parametrize("end", [Busy, Unavailable])
async def test_a_change_that_the_service_could_not_make_does_not_count(
    throttle: Throttle, end: type[Exception]
) -> None:
    """Nothing was computed, or nothing came of it."""
    for _ in range(5):
        with pytest.raises(end):
            async with throttle.change("session", "user"):
                raise end


async def test_changes_from_many_sessions_of_a_user_are_limited(throttle: Throttle) -> None:
    """A user who logs in anew for each change has ten times as many."""
    for number in range(20):
        async with throttle.change(f"session {number}", "user"):
            pass

    with pytest.raises(TooManyAttempts):
        async with throttle.change("the next", "user"):
            pass


async def test_an_attempt_that_could_not_be_decided_is_not_counted(throttle: Throttle) -> None:
    """Busy, Unavailable and faults of the service say nothing about a password."""
    for problem in (Busy, Unavailable, ZeroDivisionError, asyncio.CancelledError, Busy):
        with pytest.raises(problem):
            async with throttle.log_in("zs", HOME):
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


async def test_log_ins_of_one_user_are_bounded_though_they_succeed(throttle: Throttle) -> None:
    """A hundred and twenty a minute where two may fail, whatever the address; another user's count for themselves."""
    for number in range(120):
        await succeed(throttle, "zs", f"198.51.100.{number}")
    with pytest.raises(TooManyAttempts):
        await succeed(throttle, "zs", "203.0.113.9")

    await succeed(throttle, "mk", HOME)
