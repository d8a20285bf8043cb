"""The rotation rule under a state machine: alone, on SQLite and on PostgreSQL."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import func, select, update

from auth_service.models import Presented, Session, User, new_session_id
from auth_service.rotation import Outcome
from auth_service.store.migrate import upgrade
from auth_service.store.schema import sessions
from auth_service.store.sql import SqlStore, open_database
from tests.auth_service import rotation_machine
from tests.auth_service.rotation_machine import POLICY, SESSION_TTL, Rule, Sessions
from tests.postgresql import Cluster

# No shrinking: it would take longer than reading the steps that the failure prints.
SETTINGS = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
    print_blob=True,
)
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

    def open(self, now: int) -> Session:
        session = Session(new_session_id(), OWNER, 0, now, None, now, now + SESSION_TTL)
        assert self._run(self._store.create_session(session, verified_hash="hash"))
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


@pytest.fixture(params=["sqlite", "postgresql"])
def sql(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sql]:
    """A store on each database."""
    if request.param == "postgresql":
        cluster: Cluster = request.getfixturevalue("postgresql")
        cluster.execute("DROP DATABASE IF EXISTS machine", "CREATE DATABASE machine")
        url = cluster.url("machine")
    else:
        url = f"sqlite:///{tmp_path / 'auth.db'}"
    store = Sql(url)
    yield store
    store.close()


def run(backend: rotation_machine.Backend, examples: int, steps: int) -> None:
    """Run the machine over *backend*."""
    machine = type("Machine", (Sessions,), {"backend": backend})
    run_state_machine_as_test(machine, settings=settings(SETTINGS, max_examples=examples, stateful_step_count=steps))


def test_rule() -> None:
    """The rule keeps every promise, whatever clients, thieves, clocks and failovers do."""
    machine = type("Machine", (Sessions,), {"backend": None})

    def fresh() -> Sessions:
        machine.backend = Rule()
        return machine()

    run_state_machine_as_test(fresh, settings=settings(SETTINGS, max_examples=600, stateful_step_count=40))


def test_stores(sql: Sql) -> None:
    """Each database applies the rule to whole batches as the rule does to single presentations."""
    run(sql, examples=40, steps=20)


def forgets_the_key(rule: Rule, item: Presented, _now: int) -> Presented:
    """Stores no digest."""
    rule.restore(rule.row(item.session_id)._replace(idempotency_digest=None))
    return item


def counts_wrong(rule: Rule, item: Presented, _now: int) -> Presented:
    """Moves a generation too far now and then."""
    row = rule.row(item.session_id)
    rule.restore(row._replace(generation=row.generation + (row.generation == 2)))
    return item


def needs_no_key(rule: Rule, item: Presented, _now: int) -> Presented:
    """Takes any presentation of the predecessor for a retry."""
    row = rule.row(item.session_id)
    return item._replace(idempotency_digest=row.idempotency_digest) if item.generation == row.generation - 1 else item


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (forgets_the_key, "an honest client alone is never refused"),
        (counts_wrong, "an honest client alone is never refused"),
        (needs_no_key, "a thief without the key never gains|once a thief used a token"),
    ],
)
def test_machine_finds_a_broken_rule(broken: Any, promise: str) -> None:
    """The machine is no rubber stamp: a rule that forgets keys, counts wrong or needs no key is found out."""

    class Broken(Rule):
        def rotate(self, batch: Sequence[Presented], now: int) -> list[Outcome]:
            return super().rotate([broken(self, item, now) for item in batch], now)

    machine = type("Machine", (Sessions,), {"backend": None, "_check_linear": lambda *_: None})

    def fresh() -> Sessions:
        machine.backend = Broken()
        return machine()

    with pytest.raises(AssertionError, match=promise):
        run_state_machine_as_test(
            fresh, settings=settings(SETTINGS, max_examples=300, stateful_step_count=30, report_multiple_bugs=False)
        )
