"""Text that strangers may have chosen, for a terminal."""

import pytest

from dualtoken_serving.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("zs", "zs"),
        ("Zoë 张三 🙂", "Zoë 张三 🙂"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b", "\\x9b"),
        ("\u202ea", "\\u202ea"),
        ("a\nb", "a\\nb"),
    ],
)
def test_what_would_act_is_an_escape(text: str, shown: str) -> None:
    """Whatever else a name holds stays as it is."""
    assert shown == printable(text)


def test_what_an_encoding_lacks_is_an_escape() -> None:
    """So that a column is as wide as what is shown in it."""
    assert "zo\\xeb" == printable("zoë", "ascii")
