"""How times of known and unknown names are compared."""

import random

import pytest

from benchmarks.login_times import distance, report


def test_distributions_of_one_kind_are_apart_by_chance() -> None:
    """Equal ones not at all, disjoint ones altogether."""
    times = [number / 1000 for number in range(100)]
    other = [time + 1 for time in times]

    assert (0, pytest.approx(0.2305, abs=1e-4)) == distance(times, times)
    assert 1 == distance(times, other)[0]


@pytest.mark.parametrize(("unknown", "told_apart"), [([0.1] * 50 + [0.5] * 50, False), ([0.1] * 100, True)])
def test_names_that_are_told_apart_fail(
    unknown: list[float], told_apart: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of the users cost more: so must half of the names that nobody has."""
    noise = random.Random(1)
    known = [time + noise.random() / 1000 for time in [0.1] * 50 + [0.5] * 50]
    shifted = [time + noise.random() / 1000 for time in unknown]
    kinds = {"argon2id": known[:50], "Django": known[50:]}

    assert told_apart is report(known, shifted, kinds)
    assert "if nobody cost argon2id alone: 0.500" in capsys.readouterr().out
