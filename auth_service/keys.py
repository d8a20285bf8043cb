"""JWK Set files (RFC 7517 §5): create, read, rotate, retire. ``watched_keys`` follows them.

The first key of a file signs, all verify. A file is replaced atomically and never edited in place, so that a reader
sees the old set or the new one. Errors name the file and the rule, never a key member.
"""

import json
import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock
from jwt import PyJWK, PyJWTError
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.utils import base64url_decode, base64url_encode

from auth_service.errors import StartupError

Jwk = dict[str, Any]

_KINDS = {"HS256": ("oct", None), "EdDSA": ("OKP", "Ed25519"), "ES256": ("EC", "P-256"), "RS256": ("RSA", None)}
"""The kty and crv that go with each alg: verifiers accept no other."""
ALGORITHMS = tuple(_KINDS)
MAX_KID_CHARACTERS = 256  # that verifiers accept
MIN_SECRET_BYTES = 32  # RFC 7518 §3.2: a key of at least the size of the hash output
MIN_RSA_BITS = 2048  # RFC 7518 §3.3
_PUBLIC_MEMBERS = frozenset({"kty", "crv", "x", "y", "n", "e", "kid", "alg", "use"})  # RFC 7518 §6


def new_jwk(algorithm: str) -> Jwk:
    """Return a fresh key for one of ``ALGORITHMS``.

    The ``kid`` is random: a thumbprint (RFC 7638) of a symmetric key would be a hash of the secret.
    """
    kid = secrets.token_hex(8)  # goes on command lines: never begins with a dash
    return {**_key_members(algorithm), "alg": algorithm, "use": "sig", "kid": kid}


def _key_members(algorithm: str) -> Jwk:
    # cryptography is slow to import and only ever needed here for asymmetric keys.
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    match algorithm:
        case "HS256":
            return {"kty": "oct", "k": base64url_encode(secrets.token_bytes(MIN_SECRET_BYTES)).decode()}
        case "EdDSA":
            return OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate(), as_dict=True)
        case "ES256":
            return ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
        case "RS256":
            return RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, MIN_RSA_BITS), as_dict=True)
    raise ValueError(f"unknown algorithm {algorithm!r}; one of {', '.join(ALGORITHMS)}")


def public_jwk(jwk: Jwk) -> Jwk | None:
    """Return the public half of *jwk*, or None for a shared key, which has none."""
    if jwk["kty"] == "oct":
        return None
    return {name: value for name, value in jwk.items() if name in _PUBLIC_MEMBERS}


def read_key_file(path: Path) -> list[Jwk]:
    """Return the keys of a JWK Set file.

    Raises:
        StartupError: the file is missing, open to other users, no JWK Set, or holds a key that is weak or unusable.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read()
    except FileNotFoundError:
        raise StartupError(f"{path}: no key file; `python -m auth_service keys init` writes one") from None
    except OSError as exc:
        raise StartupError(f"{path}: cannot read the key file: {exc.strerror}") from None
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise StartupError(f"{path}: the key file is open to other users; chmod 600 it")
    return _parse(path, content)


def _parse(path: Path, content: bytes) -> list[Jwk]:
    try:
        keys = json.loads(content)["keys"]
    except (ValueError, KeyError, TypeError):
        raise StartupError(f"{path}: not a JWK Set (RFC 7517 §5)") from None
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        raise StartupError(f"{path}: a JWK Set needs at least one key")
    for number, key in enumerate(keys, 1):
        _check(f"{path}: key {number}", key)
    if len({key["kid"] for key in keys}) < len(keys):
        raise StartupError(f"{path}: two keys share a kid")
    return keys


def _check(where: str, jwk: Jwk) -> None:
    if not isinstance(jwk.get("kid"), str) or not 0 < len(jwk["kid"]) <= MAX_KID_CHARACTERS:
        raise StartupError(f"{where}: kid is missing or longer than {MAX_KID_CHARACTERS} characters")
    if jwk.get("alg") not in ALGORITHMS:
        raise StartupError(f"{where}: alg must be one of {', '.join(ALGORITHMS)}")
    if _KINDS[jwk["alg"]] != (jwk.get("kty"), jwk.get("crv")):
        raise StartupError(f"{where}: kty, crv and alg do not belong together")
    if jwk.get("use", "sig") != "sig":
        raise StartupError(f"{where}: use must be sig")
    try:
        key = PyJWK(jwk)
    except (PyJWTError, ValueError, TypeError, KeyError):
        # The library's message would quote the key.
        raise StartupError(f"{where}: not a usable {jwk['alg']} key") from None
    if jwk["kty"] == "oct" and len(key.key) < MIN_SECRET_BYTES:
        raise StartupError(f"{where}: a shared key needs at least {MIN_SECRET_BYTES} bytes (RFC 7518 §3.2)")
    if jwk["kty"] == "RSA" and key.key.key_size < MIN_RSA_BITS:
        raise StartupError(f"{where}: an RSA key needs at least {MIN_RSA_BITS} bits (RFC 7518 §3.3)")
    if jwk["kty"] != "oct" and "d" not in jwk:
        raise StartupError(f"{where}: the private half is missing")


def secret_of(jwk: Jwk) -> bytes:
    """Return the bytes of a symmetric key (RFC 7518 §6.4)."""
    return base64url_decode(jwk["k"])


def write_key_file(path: Path, keys: Sequence[Jwk]) -> None:
    """Replace *path* atomically, readable by its owner alone, and durable before this returns."""
    _write(path, json.dumps({"keys": list(keys)}, indent=2))


def _write(path: Path, text: str) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            _keep_owner(path, file.fileno())
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
    _sync_folder(path.parent)


def _keep_owner(path: Path, descriptor: int) -> None:
    """Give a new file the owner of the one that it replaces: else the service could not read what root has rotated."""
    # To all but root it is theirs already, or cannot be given away.
    with suppress(FileNotFoundError, PermissionError):
        before = path.stat()
        if os.name == "posix":
            os.fchown(descriptor, before.st_uid, before.st_gid)


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
    return _create(path, lambda: write_key_file(path, [new_jwk(algorithm)]))


def create_secret(path: Path) -> bool:
    """Write a file with a new service secret; an existing file is left alone. Return whether it was written."""
    return _create(path, lambda: _write(path, secrets.token_urlsafe(MIN_SECRET_BYTES)))


def _create(path: Path, write: Callable[[], None]) -> bool:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _lock(path):
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
    with _lock(path):
        keys = read_key_file(path)
        fresh = new_jwk(algorithm or keys[0]["alg"])
        write_key_file(path, [fresh, *keys] if signs else [*keys, fresh])
        return str(fresh["kid"])


def promote(path: Path, kid: str) -> None:
    """Let a key of the file sign: the others go on to verify.

    Raises:
        StartupError: there is no such key.
    """
    with _lock(path):
        keys = read_key_file(path)
        chosen = [key for key in keys if key["kid"] == kid]
        if not chosen:
            raise StartupError(f"{path}: no key {kid}")
        write_key_file(path, chosen + [key for key in keys if key["kid"] != kid])


def retire(path: Path, kid: str) -> None:
    """Take a key out of the file: what it signed stops verifying.

    Raises:
        StartupError: there is no such key, or it is the one that signs.
    """
    with _lock(path):
        keys = read_key_file(path)
        if kid == keys[0]["kid"]:
            raise StartupError(f"{path}: key {kid} is the one that signs; rotate first")
        rest = [key for key in keys if key["kid"] != kid]
        if len(rest) == len(keys):
            raise StartupError(f"{path}: no key {kid}")
        write_key_file(path, rest)


def _lock(path: Path) -> FileLock:
    return FileLock(path.with_name(f".{path.name}.lock"), timeout=10, mode=0o600)
