"""A session as a row of its table and its user's."""

from collections.abc import Sequence
from typing import Any

from ..domain.models import Device, Session, User
from .schema import sessions, users

# The id; then, in the order of the models' fields, what stands in each.
_STATE = ("generation", "rotated_at", "idempotency_digest", "created_at", "expires_at", "revoked_at", "revoked_reason")
_USER = ("id", "username", "email", "scope", "disabled_at", "claims")
_TOLD = ("claims", "scope", "jkt")
_DEVICE = ("user_agent", "ip")

ROTATION_COLUMNS = (
    sessions.c.id,
    *(sessions.c[name] for name in _STATE),
    *(users.c[name] for name in _USER),
    *(sessions.c[name] for name in _TOLD),
)
"""What the rule and its answer need; the device is only for the user's list."""
SESSION_COLUMNS = (*ROTATION_COLUMNS, *(sessions.c[name] for name in _DEVICE))

_user_at = 1 + len(_STATE)
_told_at = _user_at + len(_USER)
_device_at = _told_at + len(_TOLD)
_NO_DEVICE = Device("", "")


def session_of(row: Sequence[Any]) -> Session:
    """Return the session of a row that begins with ``SESSION_COLUMNS``."""
    return _session(row, Device._make(row[_device_at : _device_at + len(_DEVICE)]))


def rotated_session_of(row: Sequence[Any]) -> Session:
    """Return the session of a row that begins with ``ROTATION_COLUMNS``; of no device."""
    return _session(row, _NO_DEVICE)


def _session(row: Sequence[Any], device: Device) -> Session:
    user = User._make(row[_user_at:_told_at])
    return Session._make((row[0], user, *row[1:_user_at], device, *row[_told_at:_device_at]))
