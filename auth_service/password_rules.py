"""What may be a new password, after NIST SP 800-63B revision 4, §3.1.1.2: length counts, composition does not."""

import string
from collections.abc import Callable, Iterable
from functools import cache

from auth_service.models import User

_SEQUENCES = tuple(
    forward[::step]
    for row in (
        string.digits,
        "1234567890",
        string.ascii_lowercase,
        "qwertyuiopasdfghjklzxcvbnm",
        "qwertzuiopasdfghjklyxcvbnm",
    )
    for forward in (row * 4,)
    for step in (1, -1)
)
# What remains without the user's own names must be worth something by itself.
_MIN_REST = 8
_MIN_WORD = 4  # a shorter name is no hint
_MIN_UNIT = 8  # what is shorter and repeated is no longer a password for it


def password_rule(min_length: int) -> Callable[[str, User], str | None]:
    """Return what judges a password for a user."""
    return lambda password, user: problem_of(password, min_length=min_length, names=(user.username, user.email))


def problem_of(password: str, *, min_length: int, names: Iterable[str] = ()) -> str | None:
    """Say in a few words why *password* must not be chosen, or None.

    Args:
        password: in plain text.
        min_length: in characters; 15 where the password is the only factor (§3.1.1.2).
        names: the user's, and whatever else an attacker of this user would try first.
    """
    if len(password) < min_length:
        return f"must have at least {min_length} characters"
    folded = password.casefold()
    unit = _repeated_unit(folded)
    if folded in common_passwords() or unit in common_passwords():
        return "is one of the commonest passwords"
    if len(unit) < min(len(folded), _MIN_UNIT) or any(folded in sequence for sequence in _SEQUENCES):
        return "is a repetition or a sequence"
    if any(len(folded.replace(name.casefold(), "")) < _MIN_REST for name in names if len(name) >= _MIN_WORD):
        return "is little more than a name"
    return None


@cache
def common_passwords() -> frozenset[str]:
    """Return the 30,000 commonest passwords, in lower case."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"])


def _repeated_unit(text: str) -> str:
    """Return the shortest text of which *text* is a repetition: itself, mostly."""
    return text[: (text + text).find(text, 1)]
