"""JWK Set files (RFC 7517 §5): create, read, rotate, retire. ``watched_keys`` follows them.

The first key of a file signs, all verify. A file is replaced atomically and never edited in place, so that a reader
sees the old set or the new one. Errors name the file and the rule, never a key member.
"""

import json
import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from dualtoken_serving.command import command_name

from ..domain import key_life
from ..domain.clock import wall_clock
from ..domain.jwk import MIN_SECRET_BYTES, Jwk, check_jwk, new_jwk
from ..domain.key_life import KeyLife
from ..errors import StartupError

LOCK_S = 10


def read_key_file(path: Path) -> list[Jwk]:
    """Return the keys of a JWK Set file.

    Raises:
        StartupError: the file is missing, open to other users, no JWK Set, or holds a key that is weak or unusable.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read()
    except FileNotFoundError:
        raise StartupError(f"{path}: no key file; `{command_name(__name__)} keys init` writes one") from None
    except OSError as exc:
        raise StartupError(f"{path}: cannot read the key file: {exc.strerror}") from None
    if os.name == "posix" and _is_open_to_others(status):
        raise StartupError(f"{path}: the key file is open to other users; chmod 600 it")
    return _parse(path, content)


def _is_open_to_others(status: os.stat_result) -> bool:
    """Whether anybody but its owner may use a file; a group may read one that root or this process owns.

    Kubernetes mounts secrets so: root owns them, and the group of the pod reads them.
    """
    forbidden = stat.S_IRWXG | stat.S_IRWXO
    if status.st_uid in (0, os.geteuid()):
        forbidden &= ~stat.S_IRGRP
    return bool(status.st_mode & forbidden)


def _parse(path: Path, content: bytes) -> list[Jwk]:
    try:
        keys = json.loads(content)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise StartupError(f"{path}: not a JWK Set (RFC 7517 §5)") from None
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        raise StartupError(f"{path}: a JWK Set needs at least one key")
    for number, key in enumerate(keys, 1):
        check_jwk(f"{path}: key {number}", key)
    if len({key["kid"] for key in keys}) < len(keys):
        raise StartupError(f"{path}: two keys share a kid")
    return keys


def write_key_file(path: Path, keys: Sequence[Jwk]) -> None:
    """Replace *path* atomically, readable by its owner alone, and durable before this returns."""
    _write(path, json.dumps({"keys": list(keys)}, indent=2))


def _write(path: Path, text: str) -> None:
    path = path.resolve()  # a link stays a link: another service may know the file by its own name
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            _keep_access(path, file.fileno())
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
    _sync_folder(path.parent)


def _keep_access(path: Path, descriptor: int) -> None:
    """Give a new file the owner of the one that it replaces, and the group its right to read.

    Else the service could not read what root has rotated.
    """
    # To all but root it is theirs already, or cannot be given away.
    with suppress(FileNotFoundError, PermissionError):
        before = path.stat()
        if os.name == "posix":
            os.fchown(descriptor, before.st_uid, before.st_gid)
            if before.st_mode & stat.S_IRGRP and not _is_open_to_others(before):
                os.fchmod(descriptor, stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder; its renames are journalled by the file system
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create(path: Path, algorithm: str = "HS256") -> bool:
    """Write a key file with one new key; an existing file is left alone. Return whether it was written."""
    return _create(path, lambda: write_key_file(path, [key_life.new(new_jwk(algorithm), signs=True, now=_now())]))


def create_secret(path: Path) -> bool:
    """Write a file with a new service secret; an existing file is left alone. Return whether it was written."""
    return _create(path, lambda: _write(path, secrets.token_urlsafe(MIN_SECRET_BYTES)))


def _create(path: Path, write: Callable[[], None]) -> bool:
    path.resolve().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(path):
        if path.exists():
            return False
        write()
        return True


def rotate(path: Path, algorithm: str | None = None, *, signs: bool = True) -> str:
    """Add a new key and keep the old ones, so that nothing issued before stops working. Return its kid.

    Two processes that rotate at once make two keys, one after the other; neither is lost.

    Args:
        path: the key file.
        algorithm: of the new key; that of the key that signs, unless given.
        signs: put it first. Last, it only verifies, until it is promoted: where machines hold copies of the file, all
            must know a key before one signs with it.
    """
    with _locked(path):
        keys = read_key_file(path)
        fresh = key_life.new(new_jwk(algorithm or keys[0]["alg"]), signs=signs, now=_now())
        write_key_file(path, key_life.in_front(fresh, keys, now=_now()) if signs else [*keys, fresh])
        return str(fresh["kid"])


def promote(path: Path, kid: str) -> None:
    """Let a key of the file sign: the others go on to verify.

    Raises:
        StartupError: there is no such key.
    """
    with _locked(path):
        keys = read_key_file(path)
        chosen = next((key for key in keys if key["kid"] == kid), None)
        if chosen is None:
            raise StartupError(f"{path}: no key {kid}")
        write_key_file(path, key_life.in_front(chosen, keys, now=_now()))


def retire(path: Path, kid: str) -> None:
    """Take a key out of the file: what it signed stops verifying.

    Raises:
        StartupError: there is no such key, or it is the one that signs.
    """
    with _locked(path):
        keys = read_key_file(path)
        if kid == keys[0]["kid"]:
            raise StartupError(f"{path}: key {kid} is the one that signs; rotate first")
        rest = [key for key in keys if key["kid"] != kid]
        if len(rest) == len(keys):
            raise StartupError(f"{path}: no key {kid}")
        write_key_file(path, rest)


def lives(path: Path, lifetime_s: int) -> list[tuple[Jwk, KeyLife]]:
    """Return each key of a file with what is known of its life.

    Args:
        path: the key file.
        lifetime_s: how long what its keys sign may live.
    """
    keys = read_key_file(path)
    found = key_life.lives(keys, lifetime_s=lifetime_s, changed_at=int(path.stat().st_mtime))
    return list(zip(keys, found, strict=True))


def _now() -> int:
    return wall_clock() // 1000


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other commands from the file. Raises: StartupError: another has held it for long."""
    place = path.resolve()
    lock = FileLock(place.with_name(f".{place.name}.lock"), timeout=LOCK_S, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        raise StartupError(f"{path}: another command holds {lock.lock_file}: try again when it has ended") from None
    try:
        yield
    finally:
        lock.release()
