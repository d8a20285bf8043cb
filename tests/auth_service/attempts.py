"""Attempts to log in, as a throttle sees them."""

from contextlib import suppress

import pytest

from dualtoken.auth_service.errors import InvalidCredentials, TooManyAttempts
from dualtoken.auth_service.login_guard.throttle import Throttle


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
