"""FileStorage: who else holds it. Other processes, threads, a child, one that was killed."""

import asyncio
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dualtoken.client import FileStorage
from tests.client.storage.test_every_storage import HERE, session
from tests.deadline import HANGS_S

ROOT = Path(__file__).resolve().parents[3]


async def test_a_write_that_stalls_keeps_no_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of an account is let go while a write is still under way."""
    storage, stalled, go_on = FileStorage(path), threading.Event(), threading.Event()

    def stall(*_: object) -> None:
        stalled.set()
        go_on.wait(HANGS_S)

    monkeypatch.setattr("dualtoken.client.storage.durable_file.replace", stall)
    try:
        async with asyncio.timeout(HANGS_S), storage.lock(HERE, 1):
            writing = asyncio.create_task(storage.save(HERE, session("r1")))
            await asyncio.to_thread(stalled.wait, HANGS_S)
        async with storage.lock(HERE, 1):
            assert not writing.done()
    finally:
        go_on.set()
    await writing


async def test_a_holder_that_was_killed_lets_go(path: Path) -> None:
    """The kernel releases the lock of a process that dies."""
    code = """
import asyncio, sys
from client import FileStorage
async def main():
    async with FileStorage(sys.argv[1]).lock(sys.argv[2], 5):
        print("held", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(path), HERE, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert b"held\n" == await holder.stdout.readline()
    with pytest.raises(TimeoutError):
        async with FileStorage(path).lock(HERE, 0.1):
            pytest.fail("two holders")
    holder.send_signal(signal.SIGKILL)
    await holder.wait()

    async with FileStorage(path).lock(HERE, 5):
        assert -signal.SIGKILL == holder.returncode


async def test_busy_threads_of_the_event_loop_do_not_matter(path: Path) -> None:
    """The storage works while every thread of the loop waits for a token."""
    storage, loop = FileStorage(path), asyncio.get_running_loop()

    def save_from_a_thread() -> None:
        asyncio.run_coroutine_threadsafe(storage.save(HERE, session("r1")), loop).result(HANGS_S)

    await asyncio.gather(*(asyncio.to_thread(save_from_a_thread) for _ in range(64)))

    assert session("r1") == await storage.load(HERE)


async def test_the_worker_survives_a_fork(path: Path) -> None:
    """A storage made before a fork works in the child, too."""
    code = """
import asyncio, os, sys
from client import FileStorage, StoredSession
storage = FileStorage(sys.argv[1])
asyncio.run(storage.load("a"))
pid = os.fork()
if pid == 0:
    asyncio.run(storage.save("a", StoredSession(None, "from the child")))
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
print(asyncio.run(storage.load("a")).ended)
"""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", code, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HANGS_S,
    )

    assert ("from the child\n", 0) == (done.stdout, done.returncode)
