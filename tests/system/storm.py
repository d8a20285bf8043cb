"""Hundreds of honest clients refresh while processes are killed and answers are lost; then the history is judged.

Sessions that are bound to a key are among them; their clients send no Idempotency-Key.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from itertools import count, zip_longest
from typing import Protocol

import aiohttp

from dualtoken.client import FileStorage, MemoryStorage, TokenSource
from tests.auth_service.domain.dpop import ProofMaker
from tests.deadline import HANGS_S
from tests.system.calls import counting
from tests.system.deployment import USERNAME, Deployment
from tests.system.history import History, Replayed, violations
from tests.system.honest import HonestClient, TurnedAway, present
from tests.system.processes import PASSWORD
from tests.system.proxy import Fate, Proxy
from tests.system.token_sources import RealClient

WEIGHTS = {Fate.PASS: 0.77, Fate.CUT_BEFORE: 0.05, Fate.CUT_AFTER: 0.08, Fate.CUT_WITHIN: 0.05, Fate.HANG_UP: 0.05}
_FORGETFUL = 0.03
_HURRY = 0.3
_BOUND_OF = 4  # one of so many sessions
_LOGGED = ("retried", "raced", "caught_up", "abandoned")
_KNOWN = {200, 400, 503}
_BOTH = 0.4  # of the kills of the database
_HELD_ROWS, _HOLD_UP_S = 20, 2.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a storm is like. Equal plans draw equal kills, fates and crashes.

    ``token_sources`` says how many of the sessions real clients hold; ``strikes`` how many kills there are at least;
    ``pause_s`` is the longest pause of a client between two refreshes; ``calm_s`` that between two kills;
    ``loses_writes`` says that the database may forget the newest of what it committed; ``least`` holds what must have
    been counted before the storm may end, however slow the machine.
    """

    seed: int
    seconds: float
    sessions: int = 200
    token_sources: int = 10
    strikes: int = 6
    pause_s: float = 2.0
    calm_s: float = 1.2
    loses_writes: bool = False
    least: Mapping[str, int] = field(default_factory=dict)


class Client(Protocol):
    """An honest client. ``refresh`` and ``settle`` raise ``TurnedAway``."""

    name: str
    turned_away: bool

    async def refresh(self) -> None:
        """Refresh until it is answered."""

    async def settle(self) -> None:
        """Refresh once more in calm: the token that was answered last must be good."""


@dataclass
class Report:
    """What a storm came to. ``violations`` is empty if the promise held."""

    plan: Plan
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    @property
    def too_few(self) -> list[str]:
        """Of what there was less than planned: such a run means nothing."""
        return [name for name, least in self.plan.least.items() if self.counts[name] < least]

    def __str__(self) -> str:
        """Return it for a failed assertion: with the seed, the run can be repeated."""
        return "\n".join([f"{self.plan}", f"{dict(self.counts)}", *self.violations])


# What happens to a deployment while clients refresh; it counts what it does, and leaves everything running.
Disaster = Callable[[Deployment, Plan, random.Random, Counter[str]], Awaitable[None]]


async def strikes(deployment: Deployment, plan: Plan, rng: random.Random, counts: Counter[str]) -> None:
    """Kill something and start it again, until the time is over; on a slow machine, until it was a storm."""
    began = time.monotonic()
    for number in count():
        lasted_s = time.monotonic() - began
        is_over = lasted_s >= plan.seconds and number >= plan.strikes and _was_a_storm(deployment, plan, counts)
        if is_over or lasted_s >= plan.seconds + HANGS_S:
            break
        await asyncio.sleep(rng.uniform(0.2, plan.calm_s))
        await (_hold_up if number % 4 == 3 else _strike)(deployment, number, rng, counts)


def _was_a_storm(deployment: Deployment, plan: Plan, counts: Counter[str]) -> bool:
    logged = Counter({kind: deployment.count(f"rotation.{kind}") for kind in _LOGGED})
    return all((counts + logged)[name] >= least for name, least in plan.least.items())


async def weather(deployment: Deployment, plan: Plan, disaster: Disaster = strikes) -> Report:
    """Run a storm over a fresh deployment and judge what the clients saw."""
    rng = random.Random(plan.seed)
    history, report, statuses = History(), Report(plan), Counter[int]()
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(counting(statuses))
        port = deployment.front_port
        proxy = Proxy(deployment.ports, random.Random(rng.random()), history.dropped, port=port)
        await stack.enter_async_context(proxy)
        seeded = plan.sessions - plan.token_sources
        makers = [ProofMaker() for _ in range(seeded // _BOUND_OF)]
        tokens = await deployment.seed(seeded, [maker.jkt for maker in makers])
        clients: list[Client] = [
            HonestClient(
                f"client-{number}", token, proxy.url, http, history, random.Random(rng.random()), _FORGETFUL, maker
            )
            for number, (token, maker) in enumerate(zip_longest(tokens, makers))
        ]
        for number in range(plan.token_sources):
            storage = FileStorage(deployment.folder / f"tokens-{number}.json") if number % 2 else MemoryStorage()
            dpop = number % _BOUND_OF < _BOUND_OF // 2
            source = TokenSource(proxy.url, storage=storage, session=http, dpop=dpop)
            real = RealClient(f"token-source-{number}", source, history, bound=dpop)
            stack.push_async_callback(real.aclose)
            await real.log_in(USERNAME, PASSWORD)
            clients.append(real)
        proxy.misbehave(WEIGHTS)
        await _refreshing(clients, plan.pause_s, rng, disaster(deployment, plan, rng, history.counts))
        proxy.behave()
        bound = [client for client in clients if client.name in history.bound and not client.turned_away]
        await _each(client.refresh() for client in bound)  # so that each has a spent token
        await _each(_replay(client, proxy.url, http, history) for client in bound if not client.turned_away)
        await _each(client.settle() for client in clients if not client.turned_away)
        report.violations += _behind_the_answers(deployment, plan)
        unbound = [client for client in clients if client.name not in history.bound and not client.turned_away]
        await _each(_replay(client, proxy.url, http, history) for client in unbound)
        report.counts = history.counts + Counter({str(fate): count for fate, count in proxy.fates.items()})
    report.counts["lost sessions"] = sum(client.turned_away for client in clients)
    for kind in _LOGGED:
        report.counts[kind] = deployment.count(f"rotation.{kind}")
    report.violations += violations(history.events, history.first, history.bound) + _strange_answers(statuses)
    return report


def _strange_answers(statuses: Counter[int]) -> list[str]:
    """Nothing but a good answer, a refusal, or 503 is a part of the contract."""
    return [f"{number} answers of status {status}" for status, number in statuses.items() if status not in _KNOWN]


async def _refreshing(clients: list[Client], pause_s: float, rng: random.Random, disaster: Awaitable[None]) -> None:
    """Let clients refresh while *disaster* lasts; return when each has its answer."""
    over = asyncio.Event()
    chains = [asyncio.create_task(_chain(client, random.Random(rng.random()), pause_s, over)) for client in clients]
    try:
        await disaster
    finally:
        over.set()
        await asyncio.gather(*chains)


async def _chain(client: Client, rng: random.Random, pause_s: float, over: asyncio.Event) -> None:
    with suppress(TurnedAway):  # the history knows
        while not over.is_set():
            await client.refresh()
            with suppress(TimeoutError):
                # Without a pause now and then, what was delayed meets a chain that has gone on.
                await asyncio.wait_for(over.wait(), 0 if rng.random() < _HURRY else rng.uniform(0, pause_s))


async def _strike(deployment: Deployment, number: int, rng: random.Random, counts: Counter[str]) -> None:
    """Kill something and start it again after a moment: a process, each third time the database, or both."""
    process = rng.choice(deployment.processes)
    hits_database = deployment.database.is_server and number % 3 == 1
    hits_process = not hits_database or rng.random() < _BOTH
    if hits_database:
        counts["kills of the database"] += 1
        await deployment.database.kill()
    if hits_process:
        counts["kills of auth processes"] += 1
        await process.kill()
    await asyncio.sleep(rng.uniform(0, 0.4))
    if hits_database:
        await deployment.database.start()
    if hits_process:
        await process.start_when_possible()


async def _hold_up(deployment: Deployment, number: int, rng: random.Random, counts: Counter[str]) -> None:
    """Stop a process where it stands, in a transaction perhaps, and hold some rows in one; let both go on."""
    del number
    counts["stops of auth processes"] += 1
    async with deployment.database.held_rows(rng.randint(1, _HELD_ROWS)) as held:
        counts["held rows"] += held
        with rng.choice(deployment.processes).paused():
            await asyncio.sleep(rng.uniform(0, _HOLD_UP_S))


async def _each(work: Iterable[Awaitable[None]]) -> None:
    """Run all at once; whoever is turned away is in the history."""
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, BaseException) and not isinstance(result, TurnedAway):
            raise result


async def _replay(client: Client, url: str, http: aiohttp.ClientSession, history: History) -> None:
    """Present the token that the client spent last, as a thief who copied it, but neither journal nor key."""
    token = history.spent_token(client.name)
    # Asked once: a second question would find the session over. All thieves ask at the same moment.
    answer = await present(http, url, token, "the-thief-makes-one-up")
    history.events.append(Replayed(client.name, token, answer.status, answer.reason))


def _behind_the_answers(deployment: Deployment, plan: Plan) -> list[str]:
    """Look at what a black box does not show: a rotation that was lost and caught up, a row too many."""
    lines = []
    caught_up, reused = deployment.count("rotation.caught_up"), deployment.count("rotation.reused")
    if caught_up and not plan.loses_writes:
        lines.append(f"{caught_up} answered rotations were lost, and caught up later")
    if reused:
        lines.append(f"{reused} honest presentations were taken for a thief's")
    (rows,) = deployment.database.query("SELECT count(*) FROM sessions WHERE user_id = 'alice'")
    if int(rows) != plan.sessions:
        lines.append(f"{rows} rows for {plan.sessions} sessions")
    return lines
