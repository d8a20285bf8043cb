"""A shared secret, read again when its file changes."""

import hmac
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog
from pydantic import SecretStr

from dualtoken_serving.settings_source import value_in

from ..domain.shared_secret import secret_values
from .watcher import signature_of

log = structlog.get_logger(__name__)
Refuse = Callable[[tuple[str, ...]], None]


class WatchedSecret:
    """What opens the calls of one party. Without a value nothing does.

    A file that became unreadable or wrong keeps the last good values, and says so in the log.
    """

    def __init__(self, secret: SecretStr | None, file: Path | None = None, *, refuse: Refuse = lambda _values: None):
        """Take the values that the settings hold.

        Args:
            secret: checked already.
            file: where they come from, if it is a file.
            refuse: raises ValueError for values that a file must not hold.
        """
        self.values = secret_values(secret.get_secret_value()) if secret else ()
        self._file, self._refuse = file, refuse
        self._seen = signature_of(file) if file else ()

    def opens(self, presented: Iterable[str]) -> bool:
        """Whether one of the *presented* texts is a value of the secret as it is now. Looking is one ``stat``."""
        self._look()
        given = [text.encode(errors="surrogateescape") for text in presented]
        known = [value.encode() for value in self.values]
        return any([hmac.compare_digest(value, text) for value in known for text in given])  # noqa: C419 - all of them

    def _look(self) -> None:
        if self._file is None or (signature := signature_of(self._file)) == self._seen:
            return
        self._seen = signature
        try:
            values = secret_values(value_in(self._file))
            self._refuse(values)
        except ValueError as exc:
            problem = str(exc)
            log.error("secret.reload_failed", file=str(self._file), problem=problem)  # noqa: TRY400 - an expected failure
            return
        self.values = values
        log.info("secret.reloaded", file=str(self._file), values=len(values))
