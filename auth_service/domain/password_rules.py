"""The rules for a new password, after NIST SP 800-63B revision 4, §3.1.1.2: length, not composition."""

from collections.abc import Callable, Iterable
from functools import cache
from urllib.parse import urlsplit

from .models import User

# What remains without the user's own names must be worth something by itself.
_MIN_REST = 8
_MIN_WORD = 4  # a shorter name is no hint
_MIN_SCORE = 3  # of zxcvbn's 0 to 4: more than 10**8 guesses, which the limits on log-ins make years
# Characters: what is good is not made worse by what follows. Python computes it, with the interpreter's lock in hand:
# 25 ms of 32 digits, a quarter of a second of 72.
_JUDGED = 32
# zxcvbn tries every reading of every sign that may stand for a letter: a dozen different ones took it 13 s. Here each
# sign has one reading; digits keep theirs.
_SIGNS = str.maketrans("@({[<!|$+%", "acccciistx")


def password_rule(min_length: int, issuer: str) -> Callable[[str, User], str | None]:
    """Return what judges a password for a user of *issuer*, a URL. It computes for up to 25 ms."""
    host = urlsplit(issuer).hostname or ""

    def problem(password: str, user: User) -> str | None:
        names = (user.username, user.email, *user.email.split("@"), host)
        return problem_of(password, min_length=min_length, names=names)

    return problem


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
    if folded in common_passwords():
        return "is one of the commonest passwords"
    if _is_little_more_than(names, folded):
        return "is little more than a name"
    # To zxcvbn no character is worth more than ten guesses: the shortest that may be allowed cannot score more.
    least = _MIN_SCORE if len(password) > _MIN_REST else _MIN_SCORE - 1
    return "is easy to guess" if _score(password) < least else None


def _is_little_more_than(names: Iterable[str], folded: str) -> bool:
    words = sorted({name.casefold() for name in names if len(name) >= _MIN_WORD}, key=len, reverse=True)
    rest = folded
    for word in words:  # the longest first: one may be a part of another
        rest = rest.replace(word, "")
    return rest != folded and len(rest) < _MIN_REST


def _score(password: str) -> int:
    """Return how hard *password* is to guess, from 0 to 4: by words, keyboards, sequences, repetitions, dates."""
    from zxcvbn import zxcvbn

    return int(zxcvbn(password[:_JUDGED].translate(_SIGNS))["score"])


@cache
def common_passwords() -> frozenset[str]:
    """Return the 30,000 commonest passwords, in lower case."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"])
