"""The rotation rule under a state machine: alone, on SQLite and on PostgreSQL. ``make chaos`` takes many more steps."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from dualtoken.auth_service.domain.models import Presented, RevocationReason, User, always
from dualtoken.auth_service.domain.rotation import Kind, Outcome, classify
from tests.auth_service.account_rules import RuleWithAccounts, SessionsOfAccounts, SqlWithAccounts
from tests.auth_service.machine_runs import Sql, run
from tests.auth_service.rotation_model import POLICY, Rule
from tests.postgresql import Cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that holds nothing, of each kind."""
    if request.param == "postgresql":
        cluster: Cluster = request.getfixturevalue("postgresql")
        cluster.execute("DROP DATABASE IF EXISTS machine WITH (FORCE)", "CREATE DATABASE machine")
        return cluster.url("machine")
    return f"sqlite:///{tmp_path / 'auth.db'}"


@pytest.fixture
def sql(url: str) -> Iterator[Sql]:
    """A store on each database."""
    store = Sql(url)
    yield store
    store.close()


@pytest.fixture
def sql_with_accounts(url: str) -> Iterator[Sql]:
    """The same, with a user for each session."""
    store = SqlWithAccounts(url)
    yield store
    store.close()


def test_rule() -> None:
    """The rule keeps every promise, whatever clients, thieves, clocks and failovers do."""
    run(Rule, examples=300, steps=40)


def test_stores(sql: Sql) -> None:
    """Each database applies the rule to whole batches as the rule does to single presentations."""
    run(lambda: sql, examples=20, steps=20)


def test_rule_with_accounts() -> None:
    """Whatever a backend changes, disables or erases at any moment: no token minted afterwards tells the old."""
    run(RuleWithAccounts, examples=75, steps=40, rules=SessionsOfAccounts)


def test_stores_with_accounts(sql_with_accounts: Sql) -> None:
    """Each database does the same, and ends in the same transaction what is to end."""
    run(lambda: sql_with_accounts, examples=10, steps=20, rules=SessionsOfAccounts)


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


def believes_any_key(rule: Rule, item: Presented, _now: int) -> Presented:
    """Takes whoever proves any key for the owner of the session's."""
    return item._replace(jkt=item.jkt and rule.row(item.session_id).jkt)


def loses_the_binding(rule: Rule, item: Presented, _now: int) -> Presented:
    """Forgets at a rotation that the session is bound."""
    row = rule.row(item.session_id)
    rule.restore(row._replace(jkt=None) if row.generation else row)
    return item


def judges_proofs_last(rule: Rule, item: Presented, _now: int) -> Presented:
    """Ends a session that an old token is presented of, before the proof is looked at."""
    row = rule.row(item.session_id)
    return item._replace(jkt=row.jkt) if item.generation < row.generation - 1 else item


def takes_a_key_for_a_retry(rule: Rule, item: Presented, _now: int) -> Presented:
    """Answers whoever proves the session's key, however old the token."""
    row = rule.row(item.session_id)
    is_old = row.jkt is not None and row.jkt == item.jkt and item.generation < row.generation
    return item._replace(generation=row.generation - 1) if is_old else item


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (forgets_the_key, "an honest client alone is never refused"),
        (counts_wrong, "an honest client alone is never refused"),
        (needs_no_key, "a thief without the key never gains|once a thief used a token"),
        (forks_in_the_grace, "a session has one live branch|an honest client alone is never refused"),
        (waits_for_nobody, "what nobody waits for ends nothing"),
        (believes_any_key, "a thief without the session's key neither gains nor ends anything"),
        (loses_the_binding, "a thief without the session's key|an honest client alone is never refused"),
        (judges_proofs_last, "a thief without the session's key neither gains nor ends anything"),
        (takes_a_key_for_a_retry, "whoever is two rotations behind ends the session"),
    ],
)
def test_machine_finds_a_broken_rule(broken: Any, promise: str) -> None:
    """The machine is no rubber stamp: a rule that breaks one promise is found out by it."""

    class Broken(Rule):
        def rotate(self, batch: Sequence[Presented], now: int) -> list[Outcome]:
            return super().rotate([broken(self, item, now) for item in batch], now)

    with pytest.raises(AssertionError, match=promise):
        run(Broken, examples=300, steps=30, _check_linear=lambda *_: None)


class RemembersUsers(RuleWithAccounts):
    """Mints from what it knew of the user at the log-in."""

    def _of(self, sub: str, user: User, *ending: Any) -> None:
        known = next((row.user for row in self._rows.values() if row.user.id == sub), user)
        super()._of(sub, known if user.id else user, *ending)


class EndsNothing(RuleWithAccounts):
    """Leaves the sessions of disabled users alone, which go on when the user is enabled again."""

    def _of(self, sub: str, user: User, _reason: RevocationReason | None, now: int) -> None:
        super()._of(sub, user, None, now)


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (RemembersUsers, "an access token tells what the account is now"),
        (EndsNothing, "a disabled or erased user has no live session"),
    ],
)
def test_machine_finds_a_broken_backend(broken: type[RuleWithAccounts], promise: str) -> None:
    """What remembers users, or ends nothing, is found out."""
    with pytest.raises(AssertionError, match=promise):
        run(broken, examples=300, steps=30, rules=SessionsOfAccounts)
