"""Structured logs: JSON lines on standard error, from this service and from the libraries alike."""

import contextlib
import logging
import sys

import structlog
from aiohttp.http_exceptions import HttpProcessingError

_LEVELS = logging.getLevelNamesMapping()
# Without the values of variables: they are tokens and passwords.
_TRACES = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def configure_logs(level: str, *processors: structlog.types.Processor) -> None:
    """Set up structlog and the standard library's logging.

    Args:
        level: debug, info, warning or error.
        processors: see each line besides.
    """
    number = _LEVELS[level.upper()]
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        *processors,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, _TRACES, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_names: _LastingLogger(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(without_header_bytes)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _TRACES,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.basicConfig(level=max(number, logging.INFO), handlers=[handler], force=True)


class _LastingLogger(structlog.WriteLogger):
    """Loses a line that cannot be written, as the standard library's handlers do: no request fails by its log."""

    def msg(self, message: str) -> None:
        """Write one line, if the disk or the reader of the pipe takes it."""
        with contextlib.suppress(OSError, ValueError):
            super().msg(message)

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


def without_header_bytes(record: logging.LogRecord) -> bool:
    """Strip what aiohttp quotes of a request that it cannot parse: the bytes may hold a token. Keeps every record."""
    exc = record.exc_info[1] if record.exc_info else None
    if isinstance(exc, HttpProcessingError):
        record.msg, record.args = "malformed request: %s", (type(exc).__name__,)
        record.exc_info = record.exc_text = None
    return True
