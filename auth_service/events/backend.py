"""The audit trail of the backend secret: one line for each call."""

import structlog


class BackendEvents:
    """Raises events; ``sub`` and ``ip`` are the user's id and the address that called."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("auth_service").bind(by="backend")

    def refused(self, route: str, code: str, ip: str) -> None:
        """A call with the right secret was refused: *code* is the answer's."""
        self._log.warning("backend.refused", route=route, code=code, ip=ip)

    def code_issued(self, sub: str, ip: str, origin: str) -> None:
        """A session code was made for a page."""
        self._log.info("session_code.issued", sub=sub, ip=ip, origin=origin)

    def created(self, sub: str, ip: str) -> None:
        """A user was made."""
        self._log.info("user.created", sub=sub, ip=ip)

    def changed(self, sub: str, ip: str, members: list[str]) -> None:
        """A user was replaced or changed; *members* are those that were given."""
        self._log.info("user.changed", sub=sub, ip=ip, members=members)

    def read(self, sub: str, ip: str) -> None:
        """A user was read."""
        self._log.info("user.read", sub=sub, ip=ip)

    def listed(self, count: int, ip: str) -> None:
        """A page of users was read."""
        self._log.info("users.listed", count=count, ip=ip)

    def erased(self, sub: str, ip: str) -> None:
        """A user was erased. The log is the only place that still knows the id."""
        self._log.warning("user.erased", sub=sub, ip=ip)
