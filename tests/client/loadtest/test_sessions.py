"""Opening and closing the sessions of a worker."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from dualtoken.client.errors import AuthUnavailable
from dualtoken.client.loadtest.sessions import LOGOUT_S, LOGOUTS_AT_ONCE, PAUSE_MIN_S, log_in, log_out
from dualtoken.client.loadtest.users import VirtualUser
from tests.client.conftest import LetPass
from tests.deadline import HANGS_S


class Refused:
    """A user that an auth service turns away, each time with the same request to wait."""

    def __init__(self, retry_after: float) -> None:
        self._retry_after = retry_after
        self.asked_at: list[float] = []
        self.asked = asyncio.Event()

    async def log_in(self, _username: str, _password: str) -> None:
        """Be turned away."""
        self.asked_at.append(asyncio.get_running_loop().time())
        self.asked.set()
        if len(self.asked_at) < 3:
            raise AuthUnavailable("login: 429", self._retry_after)


async def opened(user: Refused, order: "asyncio.Task[bytes]") -> None:
    """Open one session."""
    await log_in([cast("VirtualUser", user)], "zs", "password", order)


@pytest.fixture
async def stop() -> asyncio.StreamReader:
    """Return where orders come from."""
    return asyncio.StreamReader()


async def test_a_service_that_asks_for_no_pause_gets_one(stop: asyncio.StreamReader) -> None:
    """A ``Retry-After`` of 0 is no hot loop."""
    user, order = Refused(0.0), asyncio.create_task(stop.readline())
    await opened(user, order)
    order.cancel()

    assert 2 * PAUSE_MIN_S <= user.asked_at[-1] - user.asked_at[0]


async def test_an_order_is_heard_while_a_service_asks_to_wait(stop: asyncio.StreamReader) -> None:
    """To stop takes no ten minutes because an auth service has asked for one."""
    user, order = Refused(600.0), asyncio.create_task(stop.readline())
    opening = asyncio.create_task(opened(user, order))
    await user.asked.wait()
    stop.feed_data(b"stop\n")
    await asyncio.wait_for(opening, HANGS_S)

    assert 1 == len(user.asked_at)


class Source:
    """A source whose log-out takes the cancellation of its caller for a timeout of its own, as aiohttp may."""

    def __init__(self) -> None:
        self.asked = 0

    async def logout(self) -> None:
        """Get no answer."""
        self.asked += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise AuthUnavailable("logout: no answer") from None


async def test_logging_out_ends_in_time_though_nobody_hears_it(let_pass: LetPass) -> None:
    """Once time is up no further session is closed, even if the cancellation got lost."""
    source = Source()
    users = [SimpleNamespace(source=source)] * (LOGOUTS_AT_ONCE + 5)
    leaving = asyncio.create_task(log_out(cast("list[VirtualUser]", users)))
    while source.asked < LOGOUTS_AT_ONCE:  # noqa: ASYNC110 - a counter tells nobody that it counts
        await asyncio.sleep(0)
    let_pass(LOGOUT_S)
    await asyncio.wait_for(leaving, HANGS_S)

    assert LOGOUTS_AT_ONCE == source.asked
