"""Passes the trace of the request that caused a refresh to the auth service.

Source: W3C Trace Context, Level 1.
"""

import re
import secrets
from collections.abc import Awaitable, Mapping
from contextvars import Context, ContextVar
from typing import Final, TypeVar

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
STATE_LIMIT: Final = 512  # characters, §3.3.1.5
_SENT = re.compile(r"(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?", re.ASCII)
_T = TypeVar("_T")

_CAUSE: ContextVar[Mapping[str, str] | None] = ContextVar("dualtoken_cause", default=None)


async def caused_by(headers: Mapping[str, str], call: Awaitable[_T]) -> _T:
    """Await *call* as something that a request with these *headers* needs."""
    token = _CAUSE.set(headers)
    try:
        return await call
    finally:
        _CAUSE.reset(token)


def context_of_the_cause() -> Context:
    """Make a context that knows of nothing but the current cause."""
    context = Context()
    context.run(_CAUSE.set, _CAUSE.get())
    return context


def headers_of_the_cause() -> dict[str, str]:
    """Make the headers of a call: the trace of its cause, with a parent of its own; none if there is no such trace."""
    headers = _CAUSE.get() or {}
    sent = _SENT.fullmatch(headers.get(TRACEPARENT, ""))
    if sent is None:
        return {}
    state = headers.get(TRACESTATE, "")
    parent = f"00-{sent[1]}-{secrets.token_hex(8)}-{int(sent[2], 16) & 1:02x}"
    return {TRACEPARENT: parent} | ({TRACESTATE: state} if 0 < len(state) <= STATE_LIMIT else {})
