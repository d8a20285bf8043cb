"""The rotation rule, applied to a batch: one conditional UPDATE, then one SELECT … JOIN users, in one transaction.

On SQLite the SELECT answers one row of JSON: the driver gives up the interpreter's lock for each row it fetches, and
under load gets it back only when the event loop lets go of it.

The condition in the UPDATE makes the rule hold for any number of processes: of two that present one token, the second
finds the generation moved on. What did not advance is classified from the row as it then stands.
"""

import json
import random
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from typing import cast as cast_type

from sqlalchemy import (
    BigInteger,
    ClauseElement,
    Connection,
    FromClause,
    Select,
    Text,
    Update,
    bindparam,
    cast,
    func,
    select,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

from auth_service.errors import Unavailable
from auth_service.models import Client, Presented, RevocationReason, Session, User
from auth_service.rotation import ADVANCING, GRANTED, MAX_GENERATION, Kind, Outcome, Policy, classify
from auth_service.store.schema import sessions, users

_DIGITS = len(str(MAX_GENERATION))
# By the primary key, always: with statistics of a table that was small, SQLite would scan it for each presentation.
_BY_KEY = "INDEXED BY sqlite_autoindex_{}_1"

# What the rule and the answer need; whose the session is, as its list shows it, only reading does.
_ROTATION_COLUMNS = (
    sessions.c.id,
    sessions.c.generation,
    sessions.c.rotated_at,
    sessions.c.idempotency_digest,
    sessions.c.created_at,
    sessions.c.expires_at,
    sessions.c.revoked_at,
    sessions.c.revoked_reason,
    users.c.id.label("sub"),
    users.c.username,
    users.c.email,
    users.c.scope,
    users.c.disabled_at,
)
SESSION_COLUMNS = (*_ROTATION_COLUMNS, sessions.c.user_agent, sessions.c.ip)
_STATE, _USER, _CLIENT = slice(1, 8), slice(8, 13), slice(13, 15)  # behind the id, in the order of the models' fields
_NO_CLIENT = Client("", "")


def session_of(row: Sequence[Any]) -> Session:
    """Return the session of a row of ``SESSION_COLUMNS``."""
    return _session(row, Client._make(row[_CLIENT]))


def _session(row: Sequence[Any], client: Client = _NO_CLIENT) -> Session:
    return Session._make((row[0], User._make(row[_USER]), *row[_STATE], client))


class Statements:
    """The two statements, built once for a dialect, and rendered once for SQLite, whose driver is in this process."""

    def __init__(self, advance: Update, found: Select[Any], dialect: str) -> None:
        self._advance, self._found, self.dialect = advance, found, dialect
        self._advance_sql, self._found_sql = _Rendered(advance), _Rendered(found)

    def parameters(self, batch: Iterable[Presented]) -> dict[str, Any]:
        """Return the batch as one JSON text (SQLite) or as three arrays (PostgreSQL)."""
        rows = [(item.session_id, item.generation, item.idempotency_digest) for item in batch]
        if self.dialect == "sqlite":
            packed = {id_: f"{generation:0{_DIGITS}}{digest or ''}" for id_, generation, digest in rows}
            return {"batch": json.dumps(packed)}
        # In the order of the ids: processes that meet on several rows then lock them in one order.
        ids, generations, digests = zip(*sorted(rows, key=lambda row: row[0]), strict=True)
        return {"ids": list(ids), "generations": list(generations), "digests": list(digests)}

    def advance(self, connection: Connection, parameters: dict[str, Any]) -> None:
        """Advance what may advance."""
        if self.dialect == "sqlite":
            self._advance_sql(connection, parameters)
        else:
            connection.execute(self._advance, parameters)

    def find(self, connection: Connection, parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
        """Return ``_ROTATION_COLUMNS``, ``batch`` and ``skipped`` of each session; nulls of one that does not exist."""
        if self.dialect == "sqlite":
            rows: list[list[Any]] = json.loads(self._found_sql(connection, parameters).fetchone()[0])
            return rows
        return connection.execute(self._found, parameters).all()


class _HintingCompiler(SQLiteCompiler):
    """Renders hints, which SQLAlchemy leaves out for SQLite."""

    def get_from_hint_text(self, _table: FromClause, text: str | None) -> str | None:
        return text


class _Rendered:
    """A statement as SQL text for SQLite, with the values that stand in it."""

    def __init__(self, statement: ClauseElement) -> None:
        dialect = sqlite.dialect(paramstyle="named")
        dialect.statement_compiler = _HintingCompiler
        compiled = statement.compile(dialect=dialect)
        self._sql = str(compiled)
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}

    def __call__(self, connection: Connection, parameters: dict[str, Any]) -> sqlite3.Cursor:
        """Execute in the connection's transaction, on the driver itself: nothing is left to compile or convert."""
        driver = cast_type(sqlite3.Connection, connection.connection.driver_connection)
        return driver.execute(self._sql, {**self._constants, **parameters})


def build_statements(dialect: str) -> Statements:
    """Build the statements for ``sqlite`` or ``postgresql``."""
    presented = _presented(dialect)
    advance = (
        update(sessions)
        .with_hint(_BY_KEY.format(sessions), dialect_name="sqlite")
        .values(
            generation=presented.c.generation + 1,
            skipped=presented.c.generation - sessions.c.generation,
            batch=bindparam("nonce", type_=BigInteger),
            rotated_at=bindparam("now", type_=BigInteger),
            idempotency_digest=presented.c.digest,
        )
        .where(
            sessions.c.id == presented.c.id,
            sessions.c.generation <= presented.c.generation,
            presented.c.generation < MAX_GENERATION,
            sessions.c.revoked_at.is_(None),
            sessions.c.expires_at > bindparam("now", type_=BigInteger),
            sessions.c.rotated_at > bindparam("idle_since", type_=BigInteger),
        )
    )
    columns = (*_ROTATION_COLUMNS, sessions.c.batch, sessions.c.skipped)
    answer = [func.json_group_array(func.json_array(*columns))] if dialect == "sqlite" else columns
    # Outer joins keep the order that is right whatever the statistics say: a presentation, its session, its user.
    joined = presented.outerjoin(sessions, sessions.c.id == presented.c.id)
    joined = joined.outerjoin(users, users.c.id == sessions.c.user_id)
    found = select(*answer).select_from(joined)
    for table in (sessions, users):
        found = found.with_hint(table, _BY_KEY.format(table), "sqlite")
    return Statements(advance, found, dialect)


def _presented(dialect: str) -> FromClause:
    if dialect == "sqlite":
        # One object of texts: nested arrays would be parsed again for each member of each row.
        each = func.json_each(bindparam("batch", type_=Text)).table_valued("key", "value")
        return select(
            each.c.key.label("id"),
            cast(func.substr(each.c.value, 1, _DIGITS), BigInteger).label("generation"),
            func.nullif(func.substr(each.c.value, _DIGITS + 1), "", type_=Text).label("digest"),
        ).subquery("presented")
    arrays = (
        bindparam("ids", type_=ARRAY(Text)),
        bindparam("generations", type_=ARRAY(BigInteger)),
        bindparam("digests", type_=ARRAY(Text)),
    )
    return func.unnest(*arrays).table_valued("id", "generation", "digest", name="presented").render_derived()


def rotate(
    connection: Connection, statements: Statements, batch: Sequence[Presented], now: int, policy: Policy
) -> list[Outcome]:
    """Apply the rule to *batch* inside the caller's transaction; outcomes in the batch's order.

    Several presentations of one session take their turns in the order of the batch: the first may advance the row,
    the others are classified from what it then holds, and those that the rule lets advance again go round once more.
    """
    outcomes: dict[int, Outcome] = {}
    for _ in batch:
        pending = {index: item for index, item in enumerate(batch) if index not in outcomes}
        if not pending:
            break
        _round(connection, statements, pending, outcomes, now, policy)
        _end_reused(connection, batch, outcomes, now)
    if len(outcomes) < len(batch):
        raise Unavailable("rotations neither advanced nor were refused")
    return [outcomes[index] for index in range(len(batch))]


def _round(
    connection: Connection,
    statements: Statements,
    pending: Mapping[int, Presented],
    outcomes: dict[int, Outcome],
    now: int,
    policy: Policy,
) -> None:
    """Let the first presentation of each session advance it, and classify the others."""
    first: dict[str, int] = {}
    for index, item in pending.items():
        first.setdefault(item.session_id, index)
    parameters = statements.parameters(pending[index] for index in first.values())
    nonce = random.getrandbits(63)
    times = {"now": now, "idle_since": now - policy.refresh_ttl, "nonce": nonce}
    statements.advance(connection, {**parameters, **times})
    found = {row[0]: row for row in statements.find(connection, parameters)}
    for index, item in pending.items():
        row = found.get(item.session_id)
        if row is not None and row[-2] == nonce and first[item.session_id] == index:
            outcomes[index] = _advanced(_session(row), item, skipped=row[-1])
            continue
        outcome = classify(_session(row) if row else None, item, now, policy)
        if outcome.kind not in ADVANCING:
            outcomes[index] = outcome


def _advanced(session: Session, item: Presented, skipped: int) -> Outcome:
    if session.user.disabled_at is not None:
        return Outcome(Kind.REVOKED, distance=-skipped, session=session)
    kind = Kind.CATCH_UP if skipped else Kind.ROTATE
    return Outcome(kind, item.generation + 1, -skipped, session)


def _end_reused(connection: Connection, batch: Sequence[Presented], outcomes: dict[int, Outcome], now: int) -> None:
    """End the sessions of which a spent token was presented, and refuse what else the batch was granted of them."""
    reused: dict[str, Outcome] = {}
    for index in sorted(index for index, outcome in outcomes.items() if outcome.kind is Kind.REUSE):
        reused.setdefault(batch[index].session_id, outcomes[index])
    if not reused:
        return
    connection.execute(
        update(sessions)
        .where(sessions.c.id.in_(sorted(reused)), sessions.c.revoked_at.is_(None))
        .values(revoked_at=now, revoked_reason=RevocationReason.REUSE.value)
    )
    for index, item in enumerate(batch):
        first, own = reused.get(item.session_id), outcomes.get(index)
        if first is None or own is first or first.session is None:
            continue
        if own is None:
            # It would have advanced in the next round.
            distance = first.session.generation - item.generation
            outcomes[index] = Outcome(Kind.REVOKED, distance=distance, session=first.session)
        elif own.kind in GRANTED or own.kind is Kind.REUSE:
            outcomes[index] = Outcome(Kind.REVOKED, distance=own.distance, session=own.session)
