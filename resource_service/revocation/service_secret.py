"""The secret that this service shows to the feed."""

from pathlib import Path

import structlog

from dualtoken_serving.settings_source import value_in

from ..errors import FeedRefused

log = structlog.get_logger(__name__)


def first_value(text: str) -> str:
    """Return the first value of a secret, which may hold several, one a line: the others go on to count elsewhere.

    Raises:
        ValueError: there is none that a header could carry; the text quotes nothing of it.
    """
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if not first.isprintable() or not first:
        raise ValueError("must hold a value of printable characters")
    return first


class ServiceSecret:
    """A secret, read anew each time it is shown if it comes from a file: so it can be replaced while services run.

    Args:
        source: the secret, or the path of its file.

    Raises:
        ValueError: there is no value in it.
    """

    def __init__(self, source: str | Path) -> None:
        self._file = source if isinstance(source, Path) else None
        self._last = None if self._file else first_value(str(source))

    def shown(self) -> str:
        """Return what is shown now. A file that became unreadable or wrong changes nothing, and the log says so.

        Raises:
            FeedRefused: the file has never held a value.
        """
        try:
            self._last = first_value(value_in(self._file)) if self._file else self._last
        except ValueError as problem:
            if self._last is None:
                raise FeedRefused(f"the service secret in {self._file}: {problem}") from None
            log.error("secret.reload_failed", file=str(self._file), problem=str(problem))  # noqa: TRY400 - expected
        return self._last or ""
