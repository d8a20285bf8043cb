"""Reading untrusted JSON: types are exact, and no error quotes a value.

The texts read here are full of tokens: a parser that shows its input in an error would print them.
"""

import json
import math
import re
from collections.abc import Iterator


class Malformed(ValueError):
    """A text or a member that is not as it must be. Names the member, never its value."""


class JsonObject:
    """One object of a JSON text, whose members are read by name. Unread members are ignored.

    A member that is missing, or is null, has the default; without a default it is malformed.

    Args:
        members: as parsed.
        path: what the names of its members begin with in an error.
    """

    def __init__(self, members: dict[str, object], path: str = "") -> None:
        self._members = members
        self._path = path

    def text(self, name: str, default: str | None = None, *, longest: int | None = None) -> str:
        """Return a text that can be written down again: no half of a surrogate pair.

        Raises:
            Malformed: another type, or longer than *longest* characters.
        """
        value = self._member(name, default)
        if not isinstance(value, str) or (longest is not None and len(value) > longest) or not _is_unicode(value):
            raise self.wrong(name)
        return value

    def matching(self, name: str, pattern: re.Pattern[str], *, longest: int | None = None) -> str:
        """Return a text that matches *pattern* as a whole.

        Raises:
            Malformed: another type, longer than *longest* characters, or no match.
        """
        value = self.text(name, longest=longest)
        if pattern.fullmatch(value) is None:
            raise self.wrong(name)
        return value

    def number(self, name: str, *, least: float = -math.inf, most: float = math.inf) -> float:
        """Return a finite number between *least* and *most*.

        Raises:
            Malformed: another type, or outside.
        """
        value = self._members.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(name)
        try:
            number = float(value)
        except OverflowError:
            raise self.wrong(name) from None
        if not math.isfinite(number) or not least <= number <= most:
            raise self.wrong(name)
        return number

    def whole(self, name: str, default: int | None = None, *, least: int) -> int:
        """Return a whole number that is not below *least*.

        Raises:
            Malformed: another type, or below.
        """
        value = self._member(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self.wrong(name)
        return value

    def nested(self, name: str) -> "JsonObject":
        """Return a member that is an object itself.

        Raises:
            Malformed: another type.
        """
        value = self._members.get(name)
        if not isinstance(value, dict):
            raise self.wrong(name)
        return JsonObject(value, f"{self._path}{name}.")

    def has(self, name: str) -> bool:
        """Tell whether there is such a member, and it is not null."""
        return self._members.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def wrong(self, name: str) -> Malformed:
        """Return the error for a member."""
        return Malformed(f"missing or wrong: {self._path}{name}")

    def _member(self, name: str, default: object) -> object:
        value = self._members.get(name)
        return default if value is None else value


def parse(data: bytes) -> JsonObject:
    """Parse a text that must be one object.

    Raises:
        Malformed: it is none.
    """
    try:
        value = json.loads(data.decode())
    except (ValueError, RecursionError):  # the first one is also what a wrong encoding raises
        value = None
    if not isinstance(value, dict):
        raise Malformed("missing or wrong: the body")
    return JsonObject(value)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
