"""What some file systems refuse, and a session can do without: modes, locks, a folder's own fsync.

vfat and SMB have no modes, some network file systems no locks, several cannot sync a folder. Each is told once.
"""

import errno
import functools
import logging
import os
import stat
from pathlib import Path
from typing import IO, Final

_log = logging.getLogger("dualtoken.client")

_REFUSALS: Final = frozenset(
    {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EPERM, errno.EACCES, errno.EROFS}
)


def is_refused(error: OSError) -> bool:
    """Tell whether the file system cannot do it at all, or not for us."""
    return error.errno in _REFUSALS


def has_no_locks(error: OSError) -> bool:
    """Tell whether a lock failed because the file system has none."""
    return error.errno in {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}


@functools.cache
def warn_once(message: str) -> None:
    """Log *message*, the first time."""
    _log.warning(message)


def close_to_others(file: IO[bytes], path: Path) -> None:
    """Take from others what they may do with an open file, and say so."""
    if os.name == "posix" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
        try:
            os.fchmod(file.fileno(), 0o600)
        except OSError as error:  # vfat, SMB, an owner who is somebody else
            warn_once(f"{path} can be read by others, and its mode cannot be set: {error.strerror}")
        else:
            _log.warning("%s could be read by others: its mode is 0600 now", path)
