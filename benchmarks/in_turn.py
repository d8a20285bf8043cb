"""Servers asked in short turns over connections that stay open.

What disturbs the machine disturbs the turns of one round alike: a ratio of a hundred pairs of turns of a fifth of a
second says what one of ten pairs of two seconds cannot.
"""

import random
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from benchmarks.http_load import Connections, Load, NextRequest
from benchmarks.servers import processor_s

Meter = Callable[[], Mapping[str, float]]
WARM_UP = 5
"""Rounds that are not counted."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server: where it listens on loopback, and what makes each connection's requests."""

    port: int
    maker: Callable[[int], NextRequest]


async def in_turn(
    servers: Mapping[str, Server],
    *,
    rounds: int,
    seconds: float,
    connections: int,
    awake: bool = False,
    meter: Meter = dict,
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
        meter: returns processor time so far by name, in seconds; what a turn took is in its ``Load.cpu_s``.

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
                before_s, before = processor_s(), meter()
                load = await opened[name].run(duration_s=seconds, awake=awake)
                load.processor_s = processor_s() - before_s
                load.cpu_s = {whose: cpu_s - before[whose] for whose, cpu_s in meter().items()}
                if load.failures:
                    raise RuntimeError(f"{name}: {load.failures[0]}")
                if round_ >= 0:
                    loads[name].append(load)
    return loads
