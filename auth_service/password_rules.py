"""What may be a new password, after NIST SP 800-63B revision 4, §3.1.1.2: length counts, composition does not."""

import string
from collections.abc import Callable, Iterable
from functools import cache
from urllib.parse import urlsplit

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
_MIN_SCORE = 3  # of zxcvbn's 0 to 4: more than 10**8 guesses, which the limits on log-ins make years
_JUDGED = 72  # characters; zxcvbn takes no more, and what is good is not made worse by what follows
# zxcvbn tries every reading of every sign that may stand for a letter: a dozen different ones took it 13 s. Here each
# sign has one reading; digits keep theirs, and take up to 0.3 s.
_SIGNS = str.maketrans("@({[<!|$+%", "acccciistx")


def password_rule(min_length: int, issuer: str) -> Callable[[str, User], str | None]:
    """Return what judges a password for a user of *issuer*, a URL. It computes for up to 0.3 s."""
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
    unit = _repeated_unit(folded)
    if folded in common_passwords() or unit in common_passwords():
        return "is one of the commonest passwords"
    if len(unit) < min(len(folded), _MIN_UNIT) or any(folded in sequence for sequence in _SEQUENCES):
        return "is a repetition or a sequence"
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
    """Return how hard *password* is to guess, from 0 to 4: by words, keyboards, dates and what joins them."""
    from zxcvbn import zxcvbn

    return int(zxcvbn(password[:_JUDGED].translate(_SIGNS))["score"])


@cache
def common_passwords() -> frozenset[str]:
    """Return the 30,000 commonest passwords, in lower case."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"])


def _repeated_unit(text: str) -> str:
    """Return the shortest text of which *text* is a repetition: itself, mostly."""
    return text[: (text + text).find(text, 1)]
