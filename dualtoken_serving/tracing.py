"""The id that ties the log lines and the calls of one piece of work together, in this service and beyond.

Source: W3C Trace Context, Level 1: §3.2.2 the parts of ``traceparent``, §4.2 what is malformed.
"""

import re
import secrets
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.web_request import BaseRequest
from multidict import MultiMapping

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
STATE_LIMIT = 512
"""Characters of ``tracestate`` that are passed on (§3.3.1.5); a longer one is dropped."""
# Only a later version than 00 may go on after the flags.
_SENT = re.compile(
    r"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?", re.ASCII
)
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class Trace:
    """What a piece of work belongs to.

    Attributes:
        id: 32 hexadecimal digits.
        sampled: whether the caller records this trace.
        state: the caller's ``tracestate``, as it came.
        span_id: the span that is recorded of this work, 16 hexadecimal digits; empty if there is none.
    """

    id: str
    sampled: bool = False
    state: str = ""
    span_id: str = ""

    def headers(self) -> dict[str, str]:
        """Make the headers of a call under this trace: each is a parent of its own, unless a span is."""
        parent = f"00-{self.id}-{self.span_id or secrets.token_hex(8)}-{int(self.sampled):02x}"
        return {TRACEPARENT: parent} | ({TRACESTATE: self.state} if self.state else {})


_CURRENT: ContextVar[BaseRequest | Trace | None] = ContextVar("trace", default=None)
_KEY = web.RequestKey("TRACE", Trace)

enter = _CURRENT.set
"""Say what the current task works on from now on.

Of a request this is said where a line may be written or a call made, not earlier: the path of a good token does
neither, and what a context remembers of one request is memory that the next cannot have. Nothing is parsed before it is
needed.
"""


def current() -> Trace | None:
    """What the current task works on: the caller's trace, or one of its own; None outside all work."""
    source = _CURRENT.get()
    return source if source is None or isinstance(source, Trace) else trace_of(source)


def trace_of(request: BaseRequest) -> Trace:
    """Find the trace of *request*: the caller's, or a new one."""
    trace = request.get(_KEY)
    if trace is None:
        trace = request[_KEY] = received(request.headers)
    return trace


def belong(request: BaseRequest, trace: Trace) -> None:
    """Say that *request* belongs to *trace*."""
    request[_KEY] = trace


def received(headers: MultiMapping[str]) -> Trace:
    """Read the trace that a caller names, or begin one if it names none, or several, or not as W3C has it."""
    # What could not be parsed has no headers, and of them not even a multidict.
    parents = headers.getall(TRACEPARENT, ()) if headers else ()
    sent = _SENT.fullmatch(parents[0]) if len(parents) == 1 else None
    if sent is None:
        return new_trace()
    state = ",".join(headers.getall(TRACESTATE, ()))
    # It goes into a header of this service's own: a byte that none may have would break that call.
    is_passed_on = len(state) <= STATE_LIMIT and state.isascii() and state.isprintable()
    return Trace(sent[1], bool(int(sent[2], 16) & _SAMPLED), state if is_passed_on else "")


def new_trace() -> Trace:
    """Begin a trace."""
    return Trace(secrets.token_hex(16))


@contextmanager
def working_on(trace: Trace) -> Iterator[None]:
    """Belong to *trace* while the context lasts."""
    token = _CURRENT.set(trace)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def outgoing() -> dict[str, str]:
    """Make the headers that carry the current trace to another service; none outside all work."""
    trace = current()
    return {} if trace is None else trace.headers()


def add_trace_id(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the id of the current trace to a log line."""
    trace = current()
    if trace is not None:
        event["trace_id"] = trace.id
    return event
