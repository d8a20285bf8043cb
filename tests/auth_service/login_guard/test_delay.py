"""What a flood of refusals costs: a connection each."""

import asyncio
import contextlib

import pytest

from dualtoken.auth_service.errors import AuthError, Busy, InvalidCredentials, TooManyAttempts
from dualtoken.auth_service.login_guard.delay import DelayedRefusal
from tests.auth_service.running import HeldBack


async def refuse(delayed: DelayedRefusal, exc: AuthError) -> None:
    """Be refused."""
    with contextlib.suppress(type(exc)):
        async with delayed.refusals():
            raise exc


@pytest.mark.parametrize(("exc", "held"), [(Busy(), [1.0]), (TooManyAttempts(60), [1.0]), (InvalidCredentials(), [])])
async def test_what_cost_no_hash_is_held_back(exc: AuthError, held: list[float]) -> None:
    """Refusals that nothing slowed down wait for a second; a wrong password took its time already."""
    sleep = HeldBack()
    sleep.awake.set()

    await refuse(DelayedRefusal(sleep), exc)

    assert held == sleep.seconds


async def test_no_more_than_1024_are_held_back() -> None:
    """All kinds share the room; who finds none is refused at once."""
    sleep = HeldBack()
    delayed = DelayedRefusal(sleep)
    kinds = (Busy(), TooManyAttempts(60))
    held = [asyncio.create_task(refuse(delayed, kinds[number % 2])) for number in range(1024)]
    await asyncio.sleep(0)

    await refuse(delayed, Busy())

    assert not any(task.done() for task in held)
    sleep.awake.set()
    await asyncio.gather(*held)


async def test_who_hangs_up_leaves_room() -> None:
    """A caller that goes away while it is held back counts no longer."""
    sleep = HeldBack()
    delayed = DelayedRefusal(sleep)
    first = [asyncio.create_task(refuse(delayed, Busy())) for _ in range(1024)]
    await asyncio.sleep(0)
    first[0].cancel()
    await asyncio.wait(first[:1])
    late = asyncio.create_task(refuse(delayed, Busy()))
    await asyncio.sleep(0)

    assert not late.done()
    sleep.awake.set()
    await asyncio.gather(*first[1:], late)
