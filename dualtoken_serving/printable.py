"""Text that strangers may have chosen, for a terminal."""

import unicodedata

# Categories of Unicode that act on a terminal instead of being shown: control (C0, C1), format (bidirectional ones
# among them), surrogate, and separators of lines.
_ACTING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def printable(text: str, encoding: str = "utf-8") -> str:
    """Return *text* with an escape for each character that would act on a terminal, or that *encoding* lacks."""
    escaped = "".join(_escaped(each) if unicodedata.category(each) in _ACTING else each for each in text)
    return escaped.encode(encoding, "backslashreplace").decode(encoding)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
