"""The lock that keeps two processes from refreshing one account at once.

Its library is loaded with the first lock: it costs a sixth of an HTTP library, and reading needs no lock.
"""

import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from .file_systems import has_no_locks, warn_once
from .thread import Worker

POLL_S: Final = 0.02
WRITE_LOCK_S: Final = 10.0  # others hold it for milliseconds; a file system that takes longer is an error


def make_folder(folder: Path) -> None:
    """Make *folder* with mode 0700 if it is missing."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextmanager
def write_lock(beside: Path) -> Iterator[None]:
    """Hold the kernel's lock on a file beside *beside*, for the milliseconds of a write."""
    from filelock import FileLock

    name = beside.with_name(f"{beside.name}.lock")
    lock = FileLock(name, timeout=WRITE_LOCK_S, mode=0o600, fallback_to_soft=False)
    try:
        lock.acquire()
    except OSError as error:
        if not has_no_locks(error):
            raise
        _warn_of_missing_locks(beside)  # a write is whole all the same: it replaces the file
        yield
        return
    try:
        yield
    finally:
        lock.release()


@asynccontextmanager
async def account_lock(beside: Path, account: str, timeout_s: float, worker: Worker) -> AsyncIterator[None]:
    """Hold the kernel's lock on a file beside *beside* which stands for *account*.

    The name does not tell the account. A new object each time: one object may be entered twice by one process.
    *worker* takes and releases it: not the one that reads and writes, or a write that stalls would keep the lock.
    """
    from filelock import AsyncFileLock

    digest = hashlib.sha256(account.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    lock = AsyncFileLock(
        beside.with_name(f"{beside.name}.{digest}.lock"),
        timeout=timeout_s,
        mode=0o600,
        poll_interval=POLL_S,
        executor=worker.executor,
        fallback_to_soft=False,  # a soft lock survives a crash
    )
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(lock)
        except OSError as error:
            if not has_no_locks(error):
                raise
            _warn_of_missing_locks(beside)
        yield


def _warn_of_missing_locks(beside: Path) -> None:
    warn_once(
        f"{beside.parent}: this file system has no locks, so two processes may refresh one session at once: "
        "put the token file on a local disk"
    )
