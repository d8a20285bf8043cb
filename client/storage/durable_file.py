"""Replacing a file so that a crash at any moment leaves the old text or the new one, whole."""

import contextlib
import os
from pathlib import Path

from .file_systems import is_refused, warn_once


def replace(path: Path, data: bytes) -> None:
    """Write *data* (mode 0600) over *path*. On return it is on disk. One caller at a time.

    Raises:
        OSError: *path* is as it was.
    """
    # One fixed name: what a writer that was killed left behind holds tokens, and goes with the next write.
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder; its renames are journalled by the file system
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if not is_refused(error):
            raise
        warn_once(f"{folder}: this file system does not sync folders, so a power cut may bring an older session back")


def set_aside(path: Path) -> Path:
    """Give *path* a free name beside it, and return that.

    Raises:
        OSError: it could not be renamed.
    """
    number = 1
    while (aside := path.with_name(f"{path.name}.set-aside-{number}")).exists():
        number += 1
    path.rename(aside)
    return aside
