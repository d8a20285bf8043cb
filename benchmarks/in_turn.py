"""Servers asked in short turns over connections that stay open, and the ratio of what they did.

What disturbs the machine disturbs the turns of one round alike: a ratio of a hundred pairs of turns of a fifth of a
second says what one of ten pairs of two seconds cannot.
"""

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from benchmarks.http_load import Connections, Load, NextRequest

WARM_UP = 5
"""Rounds that are not counted."""
_TWO_SIDED_95 = 1.96  # standard deviations


@dataclass(frozen=True, slots=True)
class Server:
    """One server: where it listens on loopback, and what makes each connection's requests."""

    port: int
    maker: Callable[[int], NextRequest]


async def in_turn(
    servers: Mapping[str, Server], *, rounds: int, seconds: float, connections: int, awake: bool = False
) -> dict[str, list[Load]]:
    """Ask each server once a round, in an order drawn anew; return what each did, round by round.

    Whoever is asked twice running finds its memory in the processor's caches: in any fixed order, that is always the
    same one's luck.

    Args:
        servers: by name.
        rounds: how many count; ``WARM_UP`` more come first.
        seconds: of a turn.
        connections: to each server.
        awake: see :meth:`Connections.run`.

    Raises:
        RuntimeError: a connection broke, or a server fell silent.
    """
    loads: dict[str, list[Load]] = {name: [] for name in servers}
    async with AsyncExitStack() as stack:
        opened = {
            name: await stack.enter_async_context(Connections("127.0.0.1", server.port, server.maker, connections))
            for name, server in servers.items()
        }
        order = random.Random(0)  # noqa: S311 - no secret
        for round_ in range(-WARM_UP, rounds):
            for name in order.sample(list(opened), len(opened)):
                load = await opened[name].run(duration_s=seconds, awake=awake)
                if load.failures:
                    raise RuntimeError(f"{name}: {load.failures[0]}")
                if round_ >= 0:
                    loads[name].append(load)
    return loads


@dataclass(frozen=True, slots=True)
class Ratio:
    """A median of paired ratios; the true one lies between *low* and *high* with 95 %, where pairs are independent."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return it as the scripts print it."""
        return f"median {self.median:.3f}  95 % {self.low:.3f} to {self.high:.3f}"


def paired(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio:
    """Return the ratio of each pair's rates: the median, and between which order statistics it lies.

    Source: W. J. Conover, Practical Nonparametric Statistics, 3rd ed., §3.2 (confidence interval for a quantile).
    """
    pairs = sorted(a / b for a, b in zip(numerators, denominators, strict=True))
    half = _TWO_SIDED_95 * math.sqrt(len(pairs)) / 2
    low = max(0, math.floor(len(pairs) / 2 - half) - 1)
    high = min(len(pairs) - 1, math.ceil(len(pairs) / 2 + half))
    return Ratio(statistics.median(pairs), pairs[low], pairs[high])
