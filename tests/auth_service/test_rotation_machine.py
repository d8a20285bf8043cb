"""The rotation rule under a state machine: alone, on SQLite and on PostgreSQL."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from auth_service.models import Presented, always
from auth_service.rotation import Kind, Outcome, classify
from tests.auth_service.machine_runs import Sql, run
from tests.auth_service.rotation_machine import POLICY, Rule
from tests.postgresql import Cluster


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


def test_rule() -> None:
    """The rule keeps every promise, whatever clients, thieves, clocks and failovers do."""
    run(Rule, examples=600, steps=40)


def test_stores(sql: Sql) -> None:
    """Each database applies the rule to whole batches as the rule does to single presentations."""
    run(lambda: sql, examples=40, steps=20)


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


def forks_in_the_grace(rule: Rule, item: Presented, now: int) -> Presented:
    """Lets a keyless predecessor advance the session within the grace, beside its successor."""
    row = rule.row(item.session_id)
    races = classify(row, item, now, POLICY).kind is Kind.RACE
    return item._replace(generation=row.generation) if races else item


def waits_for_nobody(_rule: Rule, item: Presented, _now: int) -> Presented:
    """Does not notice that the asker hung up."""
    return item._replace(is_awaited=always)


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (forgets_the_key, "an honest client alone is never refused"),
        (counts_wrong, "an honest client alone is never refused"),
        (needs_no_key, "a thief without the key never gains|once a thief used a token"),
        (forks_in_the_grace, "a session has one live branch"),
        (waits_for_nobody, "what nobody waits for ends nothing"),
    ],
)
def test_machine_finds_a_broken_rule(broken: Any, promise: str) -> None:
    """The machine is no rubber stamp: a rule that breaks one promise is found out by it."""

    class Broken(Rule):
        def rotate(self, batch: Sequence[Presented], now: int) -> list[Outcome]:
            return super().rotate([broken(self, item, now) for item in batch], now)

    with pytest.raises(AssertionError, match=promise):
        run(Broken, examples=300, steps=30, _check_linear=lambda *_: None)
