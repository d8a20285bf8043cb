"""How many calls a network may make in a minute."""

import pytest

from dualtoken.auth_service.errors import TooManyRequests
from dualtoken.auth_service.login_guard.request_limit import RequestLimit


class Clock:
    """Seconds; move only when told to."""

    now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


def passed(limit: RequestLimit, address: str, calls: int) -> int:
    """Return how many of so many calls pass."""
    number = 0
    for _ in range(calls):
        try:
            limit.count(address)
        except TooManyRequests:
            continue
        number += 1
    return number


def test_a_network_has_so_many_calls_a_minute(clock: Clock) -> None:
    """Beyond them it is told when the minute ends; then it has as many again, and refused calls cost none of them."""
    limit = RequestLimit(3, clock)
    assert 3 == passed(limit, "192.0.2.1", 10)
    clock.now += 59.5
    with pytest.raises(TooManyRequests) as refused:
        limit.count("192.0.2.1")
    clock.now += 0.5

    assert 1 == refused.value.retry_after_s
    assert 3 == passed(limit, "192.0.2.1", 10)


def test_networks_do_not_count_for_each_other(clock: Clock) -> None:
    """IPv6 counts by /64, and an IPv4-mapped address as the IPv4 one."""
    limit = RequestLimit(2, clock)

    assert [2, 2, 0, 2, 0] == [
        passed(limit, address, 2)
        for address in ("192.0.2.1", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "::ffff:192.0.2.1")
    ]


def test_nothing_is_no_limit(clock: Clock) -> None:
    """0 counts nothing."""
    assert 1000 == passed(RequestLimit(0, clock), "192.0.2.1", 1000)


def test_memory_is_bounded(clock: Clock) -> None:
    """However many networks call, counts begin anew before they fill the memory."""
    limit = RequestLimit(1, clock)
    for number in range(70_000):
        limit.count(f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1")

    assert 1 == passed(limit, "2001:db8::1", 2)
