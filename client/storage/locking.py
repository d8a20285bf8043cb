"""The lock that keeps two processes from refreshing one account at once."""

import hashlib
from pathlib import Path
from typing import Final

from filelock import AsyncFileLock, FileLock

from client.storage.worker import Worker

POLL_S: Final = 0.02
WRITE_LOCK_S: Final = 10.0  # others hold it for milliseconds; a file system that takes longer is an error


def make_folder(folder: Path) -> None:
    """Make *folder* with mode 0700 if it is missing."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_lock(beside: Path) -> FileLock:
    """Return the kernel's lock on a file beside *beside*, for the milliseconds of a write."""
    return FileLock(beside.with_name(f"{beside.name}.lock"), timeout=WRITE_LOCK_S, mode=0o600)


def account_lock(beside: Path, account: str, timeout_s: float, worker: Worker) -> AsyncFileLock:
    """Return the kernel's lock on a file beside *beside* which stands for *account*.

    The name does not tell the account. A new object each time: one object may be entered twice by one process.
    *worker* takes and releases it: not the one that reads and writes, or a write that stalls would keep the lock.
    """
    digest = hashlib.sha256(account.encode()).hexdigest()[:16]
    return AsyncFileLock(
        beside.with_name(f"{beside.name}.{digest}.lock"),
        timeout=timeout_s,
        mode=0o600,
        poll_interval=POLL_S,
        executor=worker.executor,
    )
