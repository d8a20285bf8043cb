"""The rules for user names and passwords, and their normal form, for every input.

Keyboards and file systems write one letter as different code points. A name or password is brought into one form before
it is stored, hashed or counted. What RFC 8265 forbids beyond control characters is allowed: such names exist already.

Source: RFC 8265 §3.4 (UsernameCasePreserved), §4.2 (OpaqueString); NIST SP 800-63B revision 4, §3.1.1.2.
"""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints, TypeAdapter, ValidationError

MAX_NAME = 255
MAX_PASSWORD = 1024
_WIDE_OR_NARROW = ("<wide>", "<narrow>")


def normal_name(name: str) -> str:
    """Return *name* with full-width and half-width characters as the plain ones, in NFC; case is kept."""
    if name.isascii():
        return name
    return unicodedata.normalize("NFC", "".join(map(_of_plain_width, name)))


def _of_plain_width(character: str) -> str:
    width, _, plain = unicodedata.decomposition(character).partition(" ")
    return chr(int(plain, 16)) if width in _WIDE_OR_NARROW else character


def normal_password(password: str) -> str:
    """Return *password* with every kind of space as the plain one, in NFC. May take milliseconds."""
    if password.isascii():
        return password
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in password)
    return unicodedata.normalize("NFC", spaced)


def formed(pattern: str, problem: str) -> AfterValidator:
    """Return the rule that a text has the form of *pattern*; else *problem* says what it must be, to people."""
    matches = re.compile(pattern).fullmatch

    def check(text: str) -> str:
        if not matches(text):
            raise ValueError(problem)
        return text

    return AfterValidator(check)


# No control characters: PostgreSQL stores no NUL, and nobody has a line break in a name.
_IN_NAMES = StringConstraints(min_length=1, max_length=MAX_NAME, pattern=r"^[^\x00-\x1f\x7f]+$")
Name = Annotated[str, _IN_NAMES]
"""As it was typed: an account of an older release may have it in another form."""
Sub = Name
"""What names a user for ever, as its maker wrote it: it is never brought into another form."""
Email = Annotated[
    str,
    StringConstraints(max_length=254),
    formed(r"([^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+)?", "must be an e-mail address"),
]
"""An address, or nothing."""
# Neither has a new one C1's, such as U+0085: names of an older release may. A lone surrogate is no character.
NewName = Annotated[
    str,
    AfterValidator(normal_name),
    formed(
        rf"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{{1,{MAX_NAME}}}",
        f"must have 1 to {MAX_NAME} characters, without control characters",
    ),
]
Password = Annotated[str, StringConstraints(min_length=1, max_length=MAX_PASSWORD)]
# How short it may be, ``password_rules`` says: the operator sets it, and a message must give the limit that holds.
NewPassword = Annotated[
    str,
    AfterValidator(normal_password),
    formed(rf"(?s:.{{0,{MAX_PASSWORD}}})", f"must have at most {MAX_PASSWORD} characters"),
]


_NEW_NAME = TypeAdapter[str](NewName)


def name_of(sub: str) -> str:
    """Return the name of a user of whom only the *sub* is known. Raises: ValueError: the sub cannot be a name."""
    try:
        return _NEW_NAME.validate_python(sub)
    except ValidationError:
        raise ValueError("username: give one, the sub cannot be a name") from None
