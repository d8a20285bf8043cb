"""What an operator did, in the words and the shape of the service's log."""

import structlog

from dualtoken_serving.logs import configure_logs

from ..domain.models import RevocationReason


def operator_log() -> structlog.typing.FilteringBoundLogger:
    """Return what writes JSON lines on standard error: standard output is the command's answer."""
    configure_logs("info", "auth_service")
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger("auth_service").bind(by="operator")
    return log


def log_revoked(reason: RevocationReason, count: int, **values: object) -> None:
    """Say that sessions were revoked, if any were: the event of the service, in whose counters these are not."""
    if count:
        operator_log().info("session.revoked", reason=reason.value, count=count, **values)
