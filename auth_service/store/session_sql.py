"""What more than one part of the store does with the rows of sessions."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Delete, Update, func, insert, literal, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from ..domain.models import RevocationReason, Session
from ..domain.rotation import RotationPolicy
from . import SessionLimit
from .schema import sessions, users

JANITOR_LOCK = 0x6475_616C_0001
"""Held by the process that sweeps; any number will do, if nothing else in the database uses it."""


def insert_session(
    connection: Connection, session: Session, *, verified_hash: str | None, limit: SessionLimit | None
) -> list[str] | None:
    """Insert a session if its user is enabled and still has *verified_hash*; see ``SessionStore.create_session``."""
    values = _values(session)
    unchanged = [users.c.password_hash == verified_hash] if verified_hash is not None else []
    # The lock (PostgreSQL; SQLite has one writer) makes a concurrent change of password wait for this insert, so
    # that its revocation sees the new session.
    allowed = (
        select(*(literal(value, sessions.c[name].type) for name, value in values.items()))
        .where(users.c.id == session.user.id)
        .where(users.c.disabled_at.is_(None), *unchanged)
        .with_for_update(read=True, of=users)
    )
    if connection.execute(insert(sessions).from_select(list(values), allowed)).rowcount != 1:
        return None
    return list(connection.execute(_revoke_beyond(limit, session)).scalars()) if limit else []


def _values(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "user_id": session.user.id,
        "generation": session.generation,
        "skipped": 0,
        "batch": 0,
        "rotated_at": session.rotated_at,
        "created_at": session.created_at,
        "expires_at": session.expires_at,
        "user_agent": session.client.user_agent,
        "ip": session.client.ip,
        "claims": session.claims,
        "scope": session.limit,
        "jkt": session.jkt,
    }


def live(user_id: str, now: int, policy: RotationPolicy) -> tuple[ColumnElement[bool], ...]:
    """Return what is true of a user's sessions that go on."""
    unended = (sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None))
    return (*unended, sessions.c.expires_at > now, sessions.c.rotated_at > now - policy.refresh_ttl)


def _revoke_beyond(limit: SessionLimit, new: Session) -> ReturningUpdate[str]:
    others = (*live(new.user.id, new.created_at, limit.policy), sessions.c.id != new.id)
    latest_first = (sessions.c.rotated_at.desc(), sessions.c.id)
    beyond = select(sessions.c.id).where(*others).order_by(*latest_first).offset(limit.most - 1)
    # Two log-ins, or a log-in and a batch of rotations, would wait for each other's rows (PostgreSQL).
    unlocked = select(sessions.c.id).where(sessions.c.id.in_(beyond)).with_for_update(skip_locked=True)
    reason = RevocationReason.SESSION_LIMIT
    return revoke(reason, new.created_at, sessions.c.id.in_(unlocked)).returning(sessions.c.id)


def revoke(reason: RevocationReason, now: int, *which: ColumnElement[bool]) -> Update:
    """Return what revokes those of some sessions that are not yet."""
    unrevoked = update(sessions).where(sessions.c.revoked_at.is_(None), *which)
    return unrevoked.values(revoked_at=now, revoked_reason=reason.value)


def swept(connection: Connection, expired: Delete) -> int:
    """Delete what has expired, one process at a time. Return how many rows; 0 if another process is at it."""
    alone = connection.dialect.name == "sqlite"  # one writer at a time anyway
    if not alone and not connection.execute(select(func.pg_try_advisory_xact_lock(JANITOR_LOCK))).scalar_one():
        return 0
    return connection.execute(expired).rowcount
