"""Opening and closing the sessions of a worker process."""

import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from ..errors import AuthUnavailable, ClientError
from .users import VirtualUser

LOGINS_AT_ONCE: Final = 4  # each costs the auth service a password hash
PAUSE_MIN_S: Final = 0.1  # "Retry-After: 0" is no permission to knock without a pause
LOGOUTS_AT_ONCE: Final = 16
LOGOUT_S: Final = 10.0  # for all of them


def write(line: dict[str, Any]) -> None:
    """Tell the runner."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def log_in(users: Sequence[VirtualUser], username: str, password: str, order: "asyncio.Task[bytes]") -> None:
    """Open all sessions, unless an order comes before: that is to stop.

    Raises:
        ExceptionGroup: of what the auth service refuses.
    """
    waiting = iter(users)

    async def some() -> None:
        for user in waiting:
            if await _logged_in(user, username, password, order):
                write({"sessions": 1})

    async with asyncio.TaskGroup() as group:
        for _ in range(LOGINS_AT_ONCE):
            group.create_task(some())


async def _logged_in(user: VirtualUser, username: str, password: str, order: "asyncio.Task[bytes]") -> bool:
    """Open one session, at the pace that the auth service asks for; False if an order came before."""
    while not order.done():
        try:
            await user.log_in(username, password)
        except AuthUnavailable as error:
            if error.retry_after is None:
                raise
            await asyncio.wait([order], timeout=max(error.retry_after, PAUSE_MIN_S))
        else:
            return True
    return False


async def log_out(users: Sequence[VirtualUser]) -> None:
    """Close all sessions, as far as the auth service lets us in a few seconds."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + LOGOUT_S
    waiting = iter(users)

    async def some() -> None:
        for user in waiting:
            # aiohttp may take the cancellation at the end for its own, and nobody would hear it.
            if loop.time() >= ends_at:
                return
            with suppress(ClientError):
                await user.source.logout()

    with suppress(TimeoutError):
        async with asyncio.timeout_at(ends_at), asyncio.TaskGroup() as group:
            for _ in range(LOGOUTS_AT_ONCE):
                group.create_task(some())
