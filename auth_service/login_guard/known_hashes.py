"""Password hashes that were made elsewhere: which of them a log-in here can verify, and at what cost.

argon2 in PHC string format; bcrypt, PBKDF2 and scrypt as Django, Werkzeug (Flask) and passlib write them. What verifies
them is ``foreign_hashes.py``.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

_MOST_KIB = 256 * 1024  # of memory, for each log-in that runs
_MOST_WORK = 1024 * 1024  # of argon2, KiB times passes: five times a hash of today's
_MOST_LANES = 16
_MOST_BLOCKS = 2**21  # of scrypt, N times r times p: Django's is a third of it
_MOST_ITERATIONS = 3_000_000  # of PBKDF2: Django's is less than half of it
_BCRYPT_COSTS = range(4, 15)  # each doubles the work

_B64 = "[A-Za-z0-9+/]"
# Of whole bytes, without padding: a column that was too short has cut others off.
_WHOLE = f"(?:{_B64}{{4}})*(?:{_B64}[AQgw]|{_B64}{{2}}[AEIMQUYcgkosw048])?"
_MCF = "[A-Za-z0-9./]"  # as crypt(3) and passlib write base64
_SALT = "[A-Za-z0-9]{1,128}"  # as Django and Werkzeug make it
_DIGEST_BYTES = {"sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}
_SCRYPT_BYTES = 64


class _Kind(NamedTuple):
    """How hashes of a kind look, and whether a log-in can afford one: its numbers, in the order of the pattern."""

    pattern: re.Pattern[str]
    is_affordable: Callable[..., bool]


def _argon2(kib: int, passes: int, lanes: int) -> bool:
    return 1 <= lanes <= _MOST_LANES and 8 * lanes <= kib <= _MOST_KIB and 1 <= passes <= _MOST_WORK // kib


def _bcrypt(cost: int) -> bool:
    return cost in _BCRYPT_COSTS


def _pbkdf2(iterations: int) -> bool:
    return 1 <= iterations <= _MOST_ITERATIONS


def _scrypt(n: int, r: int, p: int) -> bool:
    is_power_of_two = n > 1 and n & (n - 1) == 0  # RFC 7914 §2
    return is_power_of_two and r >= 1 and p >= 1 and n * r * p <= _MOST_BLOCKS and n * r // 8 <= _MOST_KIB


def _scrypt_of_log(log_n: int, r: int, p: int) -> bool:
    return log_n < 32 and _scrypt(1 << log_n, r, p)


def _hex(size: int) -> str:
    return f"[0-9a-f]{{{2 * size}}}"


def _padded(size: int) -> str:
    return f"{_B64}{{{-(-size * 4 // 3)}}}{'=' * (-size % 3)}"


def _mcf(size: int) -> str:
    return f"{_MCF}{{{-(-size * 4 // 3)}}}"


def _kind(pattern: str, is_affordable: Callable[..., bool]) -> _Kind:
    return _Kind(re.compile(pattern, re.ASCII), is_affordable)


_KINDS = (
    # PHC string format; version 19 is the only one that is made (RFC 9106 §3.1). Django puts a word before it.
    _kind(
        r"(?:argon2)?\$argon2(?:id|i|d)\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})"
        rf"\$(?=[^$]{{11,86}}\$){_WHOLE}\$(?=[^$]{{16,86}}\Z){_WHOLE}",
        _argon2,
    ),
    _kind(rf"(?:bcrypt\$|bcrypt_sha256\$)?\$2[aby]\$(\d\d)\${_MCF}{{53}}", _bcrypt),
    # Since passlib 1.7.3, and before.
    _kind(rf"\$bcrypt-sha256\$(?:v=2,t=2b,r=|2[ab],)(\d{{1,2}})\${_MCF}{{22}}\${_MCF}{{31}}", _bcrypt),
    # Django writes pbkdf2_…$iterations$salt$…, scrypt$N$salt$r$p$…; Werkzeug puts all numbers before the salt.
    *(
        _kind(rf"pbkdf2_{sha}\$(\d{{1,7}})\${_SALT}\${_padded(_DIGEST_BYTES[sha])}", _pbkdf2)
        for sha in ("sha1", "sha256")
    ),
    *(_kind(rf"pbkdf2:{sha}:(\d{{1,7}})\${_SALT}\${_hex(size)}", _pbkdf2) for sha, size in _DIGEST_BYTES.items()),
    *(
        _kind(rf"\$pbkdf2{name}\$(\d{{1,7}})\${_MCF}{{0,172}}\${_mcf(_DIGEST_BYTES[sha])}", _pbkdf2)
        for name, sha in (("", "sha1"), ("-sha256", "sha256"), ("-sha512", "sha512"))
    ),
    _kind(rf"scrypt\$(\d{{1,7}})\${_SALT}\$(\d{{1,3}})\$(\d{{1,3}})\${_padded(_SCRYPT_BYTES)}", _scrypt),
    _kind(rf"scrypt:(\d{{1,7}}):(\d{{1,3}}):(\d{{1,3}})\${_SALT}\${_hex(_SCRYPT_BYTES)}", _scrypt),
    _kind(rf"\$scrypt\$ln=(\d{{1,2}}),r=(\d{{1,3}}),p=(\d{{1,3}})\${_B64}{{0,172}}\${_B64}{{43}}", _scrypt_of_log),
)


def require_usable(password_hash: str) -> None:
    """Return if a log-in can verify *password_hash*, without undue cost.

    Raises:
        ValueError: it cannot; the text does not quote it.
    """
    for kind in _KINDS:
        if found := kind.pattern.fullmatch(password_hash):
            if not kind.is_affordable(*map(int, found.groups())):
                raise ValueError("has parameters out of bounds, or that make a login too expensive")
            return
    raise ValueError("is not a hash of a known kind")


def cost_of(password_hash: str) -> tuple[int, ...]:
    """Return what hashes that take one time have in common; they can be sorted by it."""
    for number, kind in enumerate(_KINDS):
        if found := kind.pattern.fullmatch(password_hash):
            return number, *map(int, found.groups())
    return ()
