"""Verifies hashes that are no argon2, as other frameworks made them: by libpass, or by hashlib where it has none.

Each lets go of the interpreter's lock while it computes.
"""

import base64
import binascii
import hashlib
import hmac
import warnings

from passlib.exc import PasslibHashWarning
from passlib.hash import (
    bcrypt,
    bcrypt_sha256,
    django_bcrypt,
    django_bcrypt_sha256,
    django_pbkdf2_sha1,
    django_pbkdf2_sha256,
    pbkdf2_sha1,
    pbkdf2_sha256,
    pbkdf2_sha512,
    scrypt,
)

# Of a bcrypt salt whose padding bits are set: it is read as what made the hash read it.
warnings.simplefilter("ignore", PasslibHashWarning)

_BCRYPT_BYTES = 72  # of a password: what made the hashes looked at no more
_SCRYPT_SPARE = 1024 * 1024  # bytes beside what RFC 7914 needs
_OF_LIBPASS = (
    ("pbkdf2_sha256$", django_pbkdf2_sha256),
    ("pbkdf2_sha1$", django_pbkdf2_sha1),
    ("$pbkdf2-sha256$", pbkdf2_sha256),
    ("$pbkdf2-sha512$", pbkdf2_sha512),
    ("$pbkdf2$", pbkdf2_sha1),
    ("$scrypt$", scrypt),
    ("$bcrypt-sha256$", bcrypt_sha256),
    ("bcrypt_sha256$", django_bcrypt_sha256),
    ("bcrypt$", django_bcrypt),
    ("$2", bcrypt),
)
_TRUNCATING = (bcrypt, django_bcrypt)


def verify(password_hash: str, password: str) -> bool:
    """Whether the password is right; False as well for a hash of no known kind, and one that is broken."""
    try:
        secret = password.encode()
        if password_hash.startswith("pbkdf2:"):
            return _werkzeug_pbkdf2(password_hash, secret)
        if password_hash.startswith("scrypt:"):
            return _werkzeug_scrypt(password_hash, secret)
        if password_hash.startswith("scrypt$"):
            return _django_scrypt(password_hash, secret)
        for prefix, handler in _OF_LIBPASS:
            if password_hash.startswith(prefix):
                return bool(handler.verify(secret[:_BCRYPT_BYTES] if handler in _TRUNCATING else secret, password_hash))
    except (ValueError, TypeError, binascii.Error, MemoryError):
        pass
    return False


def _werkzeug_pbkdf2(password_hash: str, secret: bytes) -> bool:
    method, salt, digest = password_hash.split("$")
    _, name, iterations = method.split(":")
    return hmac.compare_digest(hashlib.pbkdf2_hmac(name, secret, salt.encode(), int(iterations)).hex(), digest)


def _werkzeug_scrypt(password_hash: str, secret: bytes) -> bool:
    method, salt, digest = password_hash.split("$")
    n, r, p = map(int, method.split(":")[1:])
    return hmac.compare_digest(_scrypt(secret, salt, n, r, p).hex(), digest)


def _django_scrypt(password_hash: str, secret: bytes) -> bool:
    _, n, salt, r, p, digest = password_hash.split("$")
    computed = base64.b64encode(_scrypt(secret, salt, int(n), int(r), int(p))).decode()
    return hmac.compare_digest(computed, digest)


def _scrypt(secret: bytes, salt: str, n: int, r: int, p: int) -> bytes:
    memory = 128 * r * (n + p + 2) + _SCRYPT_SPARE
    return hashlib.scrypt(secret, salt=salt.encode(), n=n, r=r, p=p, maxmem=memory, dklen=64)
