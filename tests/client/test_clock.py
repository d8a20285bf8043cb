"""A clock that runs while the machine sleeps."""

import inspect
import time

import pytest

from dualtoken.client import TokenSource
from dualtoken.client.clock import PassingClock, passing_s
from dualtoken.resource_service import clock as other
from tests.client.conftest import FakeClock


@pytest.fixture(params=[PassingClock, other.PassingClock], ids=["client", "resource_service"])
def clocks(request: pytest.FixtureRequest) -> tuple[FakeClock, FakeClock, PassingClock]:
    """Return the monotonic clock, the wall clock, and what is made of them."""
    monotonic, wall = FakeClock(10.0), FakeClock()
    return monotonic, wall, request.param(monotonic, wall)


Clocks = tuple[FakeClock, FakeClock, PassingClock]


def passed(clock: PassingClock, since: float) -> float:
    """Return seconds, without the rounding."""
    return round(clock() - since, 6)


def test_awake_it_goes_by_the_monotonic_clock(clocks: Clocks) -> None:
    """The wall clock goes at its own pace."""
    monotonic, wall, clock = clocks
    begun = clock()
    for _ in range(1000):
        monotonic.advance(1.0)
        wall.advance(1.0005)
        clock()

    assert 1000 == passed(clock, begun)


def test_asleep_it_goes_by_the_wall_clock(clocks: Clocks) -> None:
    """The monotonic one stands still."""
    monotonic, wall, clock = clocks
    begun = clock()
    wall.advance(8 * 3600)
    monotonic.advance(1)

    assert 8 * 3600 == passed(clock, begun)
    monotonic.advance(5)
    wall.advance(5)
    assert 8 * 3600 + 5 == passed(clock, begun)


def test_a_wall_clock_that_is_put_back_changes_nothing(clocks: Clocks) -> None:
    """Nor does one that is put forward stop it afterwards: no token gets a longer life by either."""
    monotonic, wall, clock = clocks
    begun = clock()
    wall.advance(86400)
    clock()
    wall.advance(-86400)
    monotonic.advance(30)

    assert 86400 + 30 == passed(clock, begun)


def test_on_linux_it_is_the_kernels_own() -> None:
    """CLOCK_BOOTTIME includes sleep, whatever the wall clock says."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        pytest.skip("not Linux")
    before = time.clock_gettime(time.CLOCK_BOOTTIME)

    assert before <= passing_s() <= other.passing_s() <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_where_the_kernel_has_none_it_is_made_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """MacOS has no CLOCK_BOOTTIME; a sandbox may refuse it."""

    def refuse(_: int) -> float:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(time, "clock_gettime", refuse)

    assert isinstance(other._passing(), other.PassingClock)
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    assert isinstance(other._passing(), other.PassingClock)


def test_a_source_counts_by_it() -> None:
    """Without being told to."""
    assert passing_s is inspect.signature(TokenSource).parameters["clock"].default
