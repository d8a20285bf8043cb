"""Ratios of what was measured side by side, and what they say."""

from benchmarks.ratios import Ratio, paired


def test_a_ratio_says_how_sure_it_is() -> None:
    """Of 100 pairs, the 40th and the 61st least enclose the true median with 95 %."""
    halves = [float(number) for number in range(1, 101)]

    assert Ratio(50.5, 40.0, 61.0) == paired(halves, [1.0] * 100)


def test_a_ratio_of_few_pairs_lies_between_the_least_and_the_greatest() -> None:
    """Three pairs say no more than that."""
    assert Ratio(0.5, 0.4, 0.6) == paired([0.4, 0.6, 0.5], [1.0, 1.0, 1.0])


def test_rounds_that_differ_too_much_give_no_figure() -> None:
    """On a noisy machine a benchmark says that it cannot tell."""
    assert "median 0.500  95 % 0.460 to 0.540" == str(Ratio(0.5, 0.46, 0.54))
    assert "cannot tell: 95 % 0.310 to 0.740" == str(Ratio(0.5, 0.31, 0.74))
