"""The key that sessions are bound to, in a file."""

from pathlib import Path

from ..errors import StorageError
from ..proof_keys import MemoryProofKey, new_pem, read_pem
from . import durable_file
from .file import at_home
from .file_systems import close_to_others
from .locking import make_folder, write_lock


class FileProofKey(MemoryProofKey):
    """A P-256 key in a file (PEM, mode 0600), made when it is first used. Whoever can read it can use it.

    Args:
        path: the file.

    Raises:
        ConfigurationError: the extra ``dualtoken[dpop]`` is missing; *path* begins in a home folder, and there is none.
        StorageError: the file can be neither read nor made, or holds something else.
    """

    def __init__(self, path: str | Path) -> None:
        with at_home("name the key's file by its whole path"):
            self.path = Path(path).expanduser()
        self._use(read_pem(_read(self.path) or _made(self.path), self.path))


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            close_to_others(file, path)
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from error


def _made(path: Path) -> bytes:
    place, pem = path.resolve(), new_pem()
    try:
        make_folder(place.parent)
        with write_lock(place):  # of two processes that make one, the first counts
            if (found := _read(place)) is not None:
                return found
            durable_file.replace(place, pem)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from error
    return pem
