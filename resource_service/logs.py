"""Logs: JSON lines on standard error, of this service and of the libraries that it stands on."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from aiohttp.http_exceptions import HttpProcessingError

from resource_service.tracing import add_trace_id

Event = MutableMapping[str, Any]


def configure_logs(level: str) -> None:
    """Send every log line of this process to standard error, as JSON.

    Args:
        level: the least severe that is written: debug, info, warning or error.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_trace_id,
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_request_bytes,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())


def _without_request_bytes(_logger: Any, _method: str, event: Event) -> Event:
    """Leave out what aiohttp quotes of a request that it could not parse: it may be an Authorization header."""
    info = event.get("exc_info")
    error = info[1] if isinstance(info, tuple) else sys.exc_info()[1] if info is True else info
    while isinstance(error, BaseException):
        if isinstance(error, HttpProcessingError):
            event["exc_info"] = None
            event["problem"] = type(error).__name__
            break
        error = error.__cause__ or error.__context__
    return event
