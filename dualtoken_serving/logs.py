"""Logs: JSON lines on standard error, of a service and its libraries."""

import io
import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from .event_counts import count_event
from .line_writer import LineWriter
from .tracing import add_trace_id

Event = MutableMapping[str, Any]
# Without the values of variables: they are tokens and passwords.
_TRACES = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def configure_logs(level: str, service: str, *, never_wait: bool = False) -> None:
    """Send every log line of this process to standard error, as JSON.

    Args:
        level: the least severe that is written: debug, info, warning or error.
        service: its own lines are written from *level* on; of libraries, none below info.
        never_wait: a thread writes the lines, so that no event loop waits for who reads them.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_trace_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_request_bytes,
        _TRACES,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            count_event,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    descriptor = _descriptor(sys.stderr) if never_wait else None
    handler = _Handler(sys.stderr if descriptor is None else LineWriter(descriptor))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.basicConfig(level=max(number, logging.INFO), handlers=[handler], force=True)
    # A service has two names: one in a checkout, one installed.
    for package in (service, f"dualtoken.{service}", __package__):
        logging.getLogger(package).setLevel(number)


def _descriptor(stream: TextIO) -> int | None:
    """Return the stream's file descriptor; None where it is held in memory, which nobody waits for."""
    try:
        return stream.fileno()
    except io.UnsupportedOperation:
        return None


class _Handler(logging.StreamHandler[Any]):
    """Loses a line that cannot be written: no request fails by its log, nor is a trace of that written in its place."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - of logging
        """Forget the line."""


def _without_request_bytes(_logger: Any, _method: str, event: Event) -> Event:
    """Leave out what aiohttp quotes of a request that it could not parse: it may be an Authorization header."""
    info = event.get("exc_info")
    error = info[1] if isinstance(info, tuple) else sys.exc_info()[1] if info is True else info
    while isinstance(error, BaseException):
        if isinstance(error, HttpProcessingError | web.RequestPayloadError):
            event["exc_info"] = None
            event["problem"] = type(error).__name__
            break
        error = error.__cause__ or error.__context__
    return event
