"""Runs of the state machine: over the rule alone, and over a real store."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import func, select, update

from dualtoken.auth_service.domain.models import Presented, Session, User, new_session_id
from dualtoken.auth_service.domain.rotation import Outcome
from dualtoken.auth_service.store.migrate import upgrade
from dualtoken.auth_service.store.schema import sessions
from dualtoken.auth_service.store.sql import SqlStore, open_database
from tests.auth_service.rotation_machine import Sessions
from tests.auth_service.rotation_model import POLICY, SESSION_TTL, Backend

# No shrinking: it would take longer than reading the steps that the failure prints.
SETTINGS = settings(
    database=None,  # of examples that failed: each run is what its seed says
    deadline=None,  # here too, for whoever runs this outside pytest
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
    print_blob=True,
)
_EXAMPLES, _STEPS = 5, 60  # of each round of a long run
OWNER = User("u", "zs", "zs@example.com", "read")


class Sql:
    """A real store behind plain functions."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self._database = open_database(url)
        self._store = SqlStore(self._database)
        self._run(upgrade(self._database))
        self._run(self._store.add_user(OWNER, "hash", now=0))

    def _run(self, work: Any) -> Any:
        return self._runner.run(work)

    def open(self, now: int, jkt: str | None) -> Session:
        session = Session(new_session_id(), OWNER, 0, now, None, now, now + SESSION_TTL, jkt=jkt)
        assert [] == self._run(self._store.create_session(session, verified_hash="hash"))
        return session

    def rotate(self, batch: Sequence[Presented], now: int) -> list[Outcome]:
        return self._run(self._store.rotate(batch, now=now, policy=POLICY))

    def row(self, session_id: str) -> Session:
        return self._run(self._store.find_session(session_id))

    def restore(self, row: Session) -> None:
        names = ("generation", "rotated_at", "idempotency_digest", "revoked_at", "revoked_reason")
        values = {name: getattr(row, name) for name in names}
        statement = update(sessions).where(sessions.c.id == row.id).values(values)
        self._run(self._database.write(lambda connection: connection.execute(statement).rowcount))

    def rows(self) -> int:
        statement = select(func.count()).select_from(sessions)
        return self._run(self._database.read(lambda connection: connection.execute(statement).scalar_one()))

    def close(self) -> None:
        self._run(self._database.close())
        self._runner.close()


def run(
    backend: Callable[[], Backend],
    examples: int,
    steps: int,
    *,
    chance: int | None = None,
    rules: type[Sessions] = Sessions,
    **members: Any,
) -> None:
    """Run the machine.

    Args:
        backend: makes, or returns, what is under test; asked for each example.
        examples: how many.
        steps: the most in each.
        chance: a seed; without one, the same steps are taken for ever.
        rules: the machine.
        members: of the machine, in the place of its own.
    """
    machine = type("Machine", (rules,), {"backend": None, **members})

    def fresh() -> Sessions:
        machine.backend = backend()
        return machine()

    changed = settings(SETTINGS, max_examples=examples, stateful_step_count=steps, derandomize=chance is None)
    run_state_machine_as_test(fresh if chance is None else seed(chance)(fresh), settings=changed)


def run_for(seconds: float, chance: int, backend: Callable[[], Backend]) -> int:
    """Run the machine with other steps each time, until the time is over; return how many examples there were.

    Args:
        seconds: no further examples begin after these.
        chance: equal seeds take equal steps, however many there is time for.
        backend: as of ``run``.
    """
    deadline, rng, rounds = time.monotonic() + seconds, random.Random(chance), 0
    while time.monotonic() < deadline:
        run(backend, _EXAMPLES, _STEPS, chance=rng.getrandbits(64))
        rounds += 1
    return rounds * _EXAMPLES
