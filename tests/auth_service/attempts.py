"""Attempts to log in, as a throttle sees them."""

from contextlib import suppress

import pytest

from dualtoken.auth_service.errors import InvalidCredentials, TooManyAttempts
from dualtoken.auth_service.login_guard.throttle import Throttle


class Time:
    """Stands in for the module ``time``, and stands still."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        """Return seconds since the epoch."""
        return self.now

    monotonic = time


def stop_time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """Let the time of counters in memory pass only when told to: no minute ends while a slow machine counts."""
    stopped = Time()
    for module in ("dualtoken.auth_service.login_guard.counters", "limits.aio.storage.memory"):
        monkeypatch.setattr(f"{module}.time", stopped)
    return stopped


async def fail(throttle: Throttle, name: str, address: str, times: int = 1) -> None:
    """Fail so many times."""
    for _ in range(times):
        with suppress(InvalidCredentials):
            async with throttle.log_in(name, address):
                raise InvalidCredentials


async def succeed(throttle: Throttle, name: str, address: str) -> None:
    """Log in."""
    async with throttle.log_in(name, address):
        pass


async def told(throttle: Throttle, name: str, address: str) -> int:
    """Return in how many seconds an attempt that must be refused is told to come back."""
    with pytest.raises(TooManyAttempts) as caught:
        await succeed(throttle, name, address)
    return caught.value.retry_after_s or 0
