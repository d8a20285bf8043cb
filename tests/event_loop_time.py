"""Time that passes for an event loop at once: no test waits for a deadline, and no machine is too slow for one."""

import asyncio


def put_forward(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    """Put the clock of *loop* forward: its timers that are due by then are due now. To be called in the loop."""
    time = loop.time
    loop.time = lambda: time() + seconds  # type: ignore[method-assign]
