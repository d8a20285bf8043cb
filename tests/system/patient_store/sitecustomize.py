"""Lets the auth service wait for its database longer than any test takes: see ``patience.py``."""

from auth_service import store

_WAIT_S = 3600

store.TRANSACTION_S = _WAIT_S  # before the modules that take it from there

from auth_service.store import postgresql_bounds, sqlite  # noqa: E402 - see above

sqlite._BUSY_TIMEOUT_S = _WAIT_S
postgresql_bounds.IDLE_S = float(_WAIT_S)
