"""What a flood of refusals costs: a connection each, and a line a second."""

import asyncio
import contextlib

import pytest

from auth_service.errors import AuthError, Busy, InvalidCredentials, TooManyAttempts
from auth_service.events import Events
from auth_service.refusals import HoldBack, Sparing
from tests.auth_service.running import HeldBack


async def refuse(hold_back: HoldBack, exc: AuthError) -> None:
    """Be refused."""
    with contextlib.suppress(type(exc)):
        async with hold_back.refusals():
            raise exc


@pytest.mark.parametrize(("exc", "held"), [(Busy(), [1.0]), (TooManyAttempts(60), [1.0]), (InvalidCredentials(), [])])
async def test_what_cost_no_hash_is_held_back(exc: AuthError, held: list[float]) -> None:
    """Refusals that nothing slowed down wait for a second; a wrong password took its time already."""
    sleep = HeldBack()
    sleep.awake.set()

    await refuse(HoldBack(sleep), exc)

    assert held == sleep.seconds


async def test_no_more_than_1024_are_held_back() -> None:
    """All kinds share the room; who finds none is refused at once."""
    sleep = HeldBack()
    hold_back = HoldBack(sleep)
    kinds = (Busy(), TooManyAttempts(60))
    held = [asyncio.create_task(refuse(hold_back, kinds[number % 2])) for number in range(1024)]
    await asyncio.sleep(0)

    await refuse(hold_back, Busy())

    assert not any(task.done() for task in held)
    sleep.awake.set()
    await asyncio.gather(*held)


async def test_who_hangs_up_leaves_room() -> None:
    """A caller that goes away while it is held back counts no longer."""
    sleep = HeldBack()
    hold_back = HoldBack(sleep)
    first = [asyncio.create_task(refuse(hold_back, Busy())) for _ in range(1024)]
    await asyncio.sleep(0)
    first[0].cancel()
    await asyncio.wait(first[:1])
    late = asyncio.create_task(refuse(hold_back, Busy()))
    await asyncio.sleep(0)

    assert not late.done()
    sleep.awake.set()
    await asyncio.gather(*first[1:], late)


class Clock:
    """Seconds; move only when told to."""

    now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_one_of_a_kind_passes_in_a_while() -> None:
    """The next that passes tells how many were left out before it; kinds do not count for each other."""
    clock = Clock()
    sparing = Sparing(1.0, clock)

    assert [0, None, None, 0] == [sparing.admit(kind) for kind in ("a", "a", "a", "b")]
    clock.now += 1
    assert [2, None, 0] == [sparing.admit(kind) for kind in ("a", "a", "b")]


def test_the_memory_of_kinds_is_bounded() -> None:
    """Strangers choose their addresses: of more than 4,096, the one that passed first is forgotten."""
    sparing = Sparing(1.0, Clock())
    for number in range(4097):
        sparing.admit(number)

    assert [None, 0] == [sparing.admit(number) for number in (4096, 0)]


def test_a_flood_leaves_a_line_a_second_for_each_address(capsys: pytest.CaptureFixture[str]) -> None:
    """However often an address is refused, the log has one line, and the counter all of them."""
    events = Events()
    for _ in range(100):
        events.throttled("/login", "192.0.2.1")
        events.throttled("/login", "2001:db8::1")
        events.throttled("/login", "2001:db8::2")
        events.service_refused("/introspect", "192.0.2.1")
    events.throttled("/login", "192.0.2.2")

    lines = capsys.readouterr().out
    assert 3 == lines.count("attempt.throttled")
    assert 1 == lines.count("service.refused")
    assert 301 == events.registry.get_sample_value("auth_throttled_attempts_total", {"route": "/login"})
