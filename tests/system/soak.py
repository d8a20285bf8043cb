"""Mixed load on two services that live throughout, while a storm rages beside them; in the end everything adds up.

The storm's processes share the database with the auth service that lives, and are killed; so is the database. The
answers of both services are cut on their way. Then: nobody was logged out who had not asked for it, memory is level,
and each service counted what its callers saw.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from dualtoken.auth_service.domain.clock import wall_clock
from dualtoken.auth_service.domain.models import User as Account
from dualtoken.auth_service.login_guard.hashing import HASHER
from dualtoken.auth_service.store.sql import open_store
from tests.system.counters import auth_disagreements, resource_disagreements, scraped, total
from tests.system.deployment import Deployment
from tests.system.eventually import eventually
from tests.system.following import SECRET
from tests.system.ledger import Ledger
from tests.system.memory import Memory, watched
from tests.system.processes import PASSWORD, Service, no_leftovers
from tests.system.proxy import Fate, Proxy
from tests.system.storm import Disaster, Plan, Report, strikes, weather
from tests.system.users import Endpoint, Lost, User

WEIGHTS = {Fate.PASS: 0.88, Fate.CUT_BEFORE: 0.03, Fate.CUT_AFTER: 0.04, Fate.CUT_WITHIN: 0.03, Fate.HANG_UP: 0.02}
USERS = 12
_WARM_AFTER_S = 60  # of a shorter run, memory proves nothing
_SETTINGS = {
    "AUTH_SERVICE_SECRET": SECRET,
    "AUTH_ACCESS_TTL_S": "3",  # so that tokens expire under load
    "AUTH_LOGIN_FAILURES": "1000000",  # all users come from one address
}


@dataclass(frozen=True)
class Lasting:
    """A service that nobody kills, behind a proxy that cuts answers."""

    service: Service
    proxy: Proxy
    endpoint: Endpoint


@dataclass
class SoakReport:
    """What the mixed load came to. ``storm`` is what raged beside it; ``violations`` is empty if all promises held."""

    storm: Report
    counts: Counter[str] = field(default_factory=Counter)
    memories: tuple[Memory, ...] = ()
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Return it for a failed assertion."""
        levels = ", ".join(f"{memory.name} {memory}" for memory in self.memories)
        return "\n".join([str(self.storm), f"{dict(self.counts)}", levels, *self.violations])


async def soak(
    deployment: Deployment, plan: Plan, disaster: Disaster = strikes, *, least: Collection[str] = ()
) -> SoakReport:
    """Run a storm and the mixed load over a fresh deployment, and judge both.

    The users live on until each of *least* has been counted, however slow the machine.
    """
    report = SoakReport(Report(plan))

    async def both(deployment: Deployment, plan: Plan, rng: random.Random, counts: Counter[str]) -> None:
        async with _auth(deployment, rng) as auth, _resource(deployment, auth, rng) as resource:
            await _add_accounts(deployment)
            users = [
                User(f"user-{number}", auth.endpoint, resource.endpoint, random.Random(rng.random()))
                for number in range(USERS)
            ]
            async with _living(users, (auth, resource), report):
                await disaster(deployment, plan, rng, counts)
                await eventually(lambda: all(_done(users, (auth, resource))[name] for name in least))
            await _judge(auth, resource, users, report)

    report.storm = await weather(deployment, plan, both)
    report.violations += report.storm.violations
    return report


@asynccontextmanager
async def _auth(deployment: Deployment, rng: random.Random) -> AsyncIterator[Lasting]:
    service = Service("auth_service", deployment.folder / "auth-lasting.log", deployment.settings | _SETTINGS)
    async with _lasting(service, rng) as lasting:
        yield lasting


@asynccontextmanager
async def _resource(deployment: Deployment, auth: Lasting, rng: random.Random) -> AsyncIterator[Lasting]:
    settings = {
        "RESOURCE_PORT": 0,
        "RESOURCE_KEYS": deployment.folder / "access.jwks.json",
        # Full within seconds: while it fills, memory grows as it should, and nothing could be told from that.
        "RESOURCE_CACHE_MIB": 0.25,
        "RESOURCE_REVOCATIONS_URL": auth.service.url / "revocations",
        "RESOURCE_SERVICE_SECRET": SECRET,
    }
    async with _lasting(Service("resource_service", deployment.folder / "resource.log", settings), rng) as lasting:
        yield lasting


@asynccontextmanager
async def _lasting(service: Service, rng: random.Random) -> AsyncIterator[Lasting]:
    """Run a service, with a proxy before it and a ledger beside it; in the end it must end well."""
    ledger = Ledger()
    proxy = Proxy(
        lambda: [service.port],
        random.Random(rng.random()),
        on_withheld=ledger.dropped,
        on_unanswered=ledger.unanswered,
    )
    with no_leftovers(service):
        await service.start()
        async with proxy, aiohttp.ClientSession() as http:
            yield Lasting(service, proxy, Endpoint(proxy.url, http, ledger))
        assert 0 == await service.stop(), service.stderr


async def _add_accounts(deployment: Deployment) -> None:
    password_hash = HASHER.hash(PASSWORD)
    async with open_store(deployment.database.url) as store:
        for name in (f"user-{number}" for number in range(USERS)):
            account = Account(id=name, username=name, email=f"{name}@example.org", scope="read write")
            assert await store.add_user(account, password_hash, now=wall_clock())


@asynccontextmanager
async def _living(users: list[User], services: tuple[Lasting, Lasting], report: SoakReport) -> AsyncIterator[None]:
    """Let users live while their answers are cut; in the end, in calm, each must still be let in."""
    report.memories = Memory("auth"), Memory("resource")
    over = asyncio.Event()
    lives = [asyncio.create_task(user.live(over)) for user in users]
    try:
        for service in services:
            service.proxy.misbehave(WEIGHTS)
        pids = [lasting.service.pid for lasting in services]
        async with watched(list(zip(report.memories, pids, strict=True))):
            yield
    finally:
        for service in services:
            service.proxy.behave()
        over.set()
        results = await asyncio.gather(*lives, return_exceptions=True)
    for result in results:
        if isinstance(result, Lost):
            report.violations.append(str(result))
        elif result is not None:
            raise result
    report.counts["lost sessions"] = sum(isinstance(result, Lost) for result in results)


def _done(users: Sequence[User], services: Iterable[Lasting]) -> Counter[str]:
    """Return what the users did, and what became of the answers."""
    done: Counter[str] = sum((user.did for user in users), Counter())
    for service in services:
        ledger = service.endpoint.ledger
        done["answers"] += ledger.answers.total()
        done["answers cut"] += ledger.withheld
        done["hung up on"] += ledger.unknown.total()
    return done


async def _judge(auth: Lasting, resource: Lasting, users: list[User], report: SoakReport) -> None:
    done = _done(users, (auth, resource))
    async with aiohttp.ClientSession() as http:
        samples = [await scraped(http, lasting.service.url) for lasting in (auth, resource)]
    report.violations += auth_disagreements(auth.endpoint.ledger, samples[0], done)
    report.violations += resource_disagreements(resource.endpoint.ledger, samples[1])
    if report.storm.plan.seconds >= _WARM_AFTER_S:
        report.violations += [f"{memory.name} grew: {memory}" for memory in report.memories if not memory.is_level()]
    report.counts += done
    report.counts["cached tokens"] = total(samples[1], "resource_cached_tokens")
