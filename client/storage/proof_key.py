"""The location of the key of bound sessions."""

from ..errors import ConfigurationError, StorageError
from ..proof_keys import MemoryProofKey, ProofKey, key_path
from . import Storage
from .memory import MemoryStorage


def proof_key_beside(storage: Storage) -> ProofKey:
    """Return the key that lies where the tokens do: beside the file, in the key ring, in memory.

    Raises:
        ConfigurationError: nobody knows where it would lie.
        StorageError: it cannot be read there, or made.
    """
    if isinstance(storage, MemoryStorage):
        return MemoryProofKey()
    from .file import FileStorage  # who keeps tokens in memory needs no file lock
    from .file_proof_key import FileProofKey
    from .system_keyring import KeyringStorage

    if isinstance(storage, FileStorage):
        return FileProofKey(key_path(storage.path))
    if isinstance(storage, KeyringStorage):
        return storage.proof_key()
    raise ConfigurationError(f"dpop=True: say where the key of {storage!r} lies: dpop=FileProofKey(path), say")


def existing_proof_key(storage: Storage) -> ProofKey | None:
    """Return that key if there is one already; None if there is none, or nobody knows where it would lie.

    Raises:
        ConfigurationError: the extra ``dualtoken[dpop]`` is missing.
        StorageError: it cannot be read.
    """
    if isinstance(storage, MemoryStorage):
        return None
    from .file import FileStorage
    from .system_keyring import KeyringStorage

    if isinstance(storage, FileStorage):
        path = key_path(storage.path)
        try:
            exists = path.exists()
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror}") from error
    else:
        exists = isinstance(storage, KeyringStorage) and storage.has_proof_key()
    return proof_key_beside(storage) if exists else None
