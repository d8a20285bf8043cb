"""What Ctrl-C and SIGTERM do to a command."""

import asyncio
import os
import signal

import pytest

from client.exits import interruptible


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_is_heard_by_the_event_loop(number: signal.Signals) -> None:
    """A command that waits is told, and can end in order."""
    heard = asyncio.Event()
    before = signal.signal(number, signal.SIG_DFL)  # a suite under nohup ignores SIGHUP, and the command would, too
    try:
        with interruptible(heard.set):
            os.kill(os.getpid(), number)
            await asyncio.wait_for(heard.wait(), 5)
    finally:
        signal.signal(number, before)

    assert heard.is_set()


async def test_afterwards_signals_do_what_they_did() -> None:
    """While a report is written SIGTERM still ends the process in order."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    with interruptible(lambda: None):
        pass

    assert before == [signal.getsignal(number) for number in numbers]


async def test_nohup_is_respected() -> None:
    """Who wants a command to outlive its terminal gets that."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible(lambda: pytest.fail("heard")):
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0)
    finally:
        signal.signal(signal.SIGHUP, before)

    assert before == signal.getsignal(signal.SIGHUP)
