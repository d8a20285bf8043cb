"""Ratios of what was measured side by side, and how sure they are.

What disturbs the machine disturbs neighbouring rounds alike, so each round is divided by the one beside it. Where the
quotients still differ too much, there is no figure: the ratio says that it cannot tell.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_TWO_SIDED_95 = 1.96  # standard deviations
WIDEST = 0.2
"""Of the interval ÷ the median. A wider one is the machine's, not the program's."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A median of paired ratios; the true one lies between *low* and *high* with 95 %, where pairs are independent."""

    median: float
    low: float
    high: float

    @property
    def tells(self) -> bool:
        """Whether the rounds agree well enough for a figure."""
        return self.high - self.low <= WIDEST * self.median

    def __str__(self) -> str:
        """Return it as the scripts print it."""
        sure = f"95 % {self.low:.3f} to {self.high:.3f}"
        return f"median {self.median:.3f}  {sure}" if self.tells else f"cannot tell: {sure}"


def paired(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio:
    """Return the ratio of each pair: the median, and between which order statistics it lies.

    Source: W. J. Conover, Practical Nonparametric Statistics, 3rd ed., §3.2 (confidence interval for a quantile).
    """
    pairs = sorted(a / b for a, b in zip(numerators, denominators, strict=True))
    half = _TWO_SIDED_95 * math.sqrt(len(pairs)) / 2
    low = max(0, math.floor(len(pairs) / 2 - half) - 1)
    high = min(len(pairs) - 1, math.ceil(len(pairs) / 2 + half))
    return Ratio(statistics.median(pairs), pairs[low], pairs[high])
