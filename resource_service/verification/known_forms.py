"""What the claims of one issuer's tokens look like, written down once: most tokens are compared with it, not parsed."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from .claims import OPTIONAL_DATES, REQUIRED_DATES, TEXT_LIMIT

MOST_FORMS: Final = 8
"""That are remembered; each may be tried for each token that has none of them."""
MOST_MEMBERS: Final = 40
MOST_LOOKS: Final = 64
"""At claims whose form might be written down: an issuer that gives each user other claims costs no more than that."""

_DATES: Final = (*REQUIRED_DATES, *OPTIONAL_DATES)
_TEXT: Final = rf'[^"\\\x00-\x1f]{{1,{TEXT_LIMIT}}}'  # what JSON has without escapes (RFC 8259 §7)
_WHOLE: Final = "(?:0|[1-9][0-9]{0,14})"  # of JSON's numbers, and far below NUMERIC_DATE_LIMIT
_ALIKE: Final = {str: f'"{_TEXT}"', int: _WHOLE, bool: "(?:true|false)", type(None): "null"}
_KEPT: Final = ("exp", "iat", "nbf", "sid")


Essentials = tuple[int, int, int, str | None]
"""``exp``, ``iat`` and ``nbf``, in seconds since the epoch, and ``sid``: what decides about a token beside its form."""

_Form = tuple[Callable[[str], re.Match[str] | None], tuple[int, ...]]
"""What matches a payload, and the groups of what is kept."""


class KnownForms:
    """The forms of claims that were read, checked and held to the policy: a payload of such a form needs none of it.

    Invariant: a payload that has a known form is UTF-8, and differs from one that passed every check only in texts,
    each of 1 to ``TEXT_LIMIT`` characters without escapes, in whole numbers of up to 15 digits, and in truth values.
    The names of its members and their order, ``iss``, ``aud`` and ``amr`` are the same, letter for letter; so no member
    occurs twice, and none is of another type. Whatever has no known form is read as if there were none.
    """

    def __init__(self) -> None:
        self._forms: list[_Form] = []
        self._written: set[str] = set()
        self._looks_left = MOST_LOOKS

    def read(self, payload: bytes) -> Essentials | None:
        """Return what is to be compared with the clock and the revocations; None of a payload without a known form."""
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            return None
        for form, places in self._forms:
            found = form(text)
            if found is not None:
                exp, iat, nbf, sid = found.group(*places)
                return int(exp), int(iat), int(nbf) if nbf else 0, sid or None
        return None

    def remember(self, members: dict[str, Any]) -> None:
        """Write down the form of claims that passed the checks and the policy, of a token with a good signature."""
        if len(self._forms) == MOST_FORMS or not self._looks_left or len(members) > MOST_MEMBERS:
            return
        self._looks_left -= 1
        written = [_member(name, value) for name, value in members.items()]
        form = rf"\{{{','.join(written)}\}}"
        if all(written) and form not in self._written:
            self._written.add(form)
            absent = [name for name in _KEPT if f"(?P<{name}>" not in form]
            compiled = re.compile(form + "".join(f"(?P<{name}>)" for name in absent))
            self._forms.append((compiled.fullmatch, tuple(compiled.groupindex[name] for name in _KEPT)))


def _member(name: str, value: Any) -> str:
    """Write a member as a regular expression; empty where its value is of no form."""
    label = re.escape(_written(name)) + ":"
    if name in ("iss", "aud", "amr"):
        return label + re.escape(_written(value))
    if name in _DATES and type(value) is not int:
        return ""
    alike = _ALIKE.get(type(value), "")
    if name in _KEPT and alike not in ("", "null"):
        alike = alike.replace(_TEXT, f"(?P<{name}>{_TEXT})").replace(_WHOLE, f"(?P<{name}>{_WHOLE})")
    return alike and label + alike


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
