"""What ``status`` says about durations."""

import pytest

from dualtoken.client.commands.report import duration


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (3661, "1 h 1 min"),
        (86400 * 6 + 3600 * 23 + 59, "6 d 23 h"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float, expected: str) -> None:
    """Nobody wants the seconds of a week."""
    assert expected == duration(seconds)
