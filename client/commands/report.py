"""What ``status`` says about a stored session."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..storage import StoredSession
from .invocation import COMMAND

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Report:
    """A session as ``status`` shows it. Moments in seconds since the epoch; None: not known."""

    auth_url: str | None
    logged_in: bool
    ended: str | None
    username: str | None
    email: str | None
    scope: str | None
    access_until: float | None
    session_until: float | None
    refreshes: int

    @classmethod
    def of(cls, auth_url: str | None, session: StoredSession | None) -> "Report":
        """Describe *session*."""
        if session is None or session.tokens is None:
            return cls(
                auth_url, False, session.ended if session else None, *(None,) * 5, session.refreshes if session else 0
            )
        tokens = session.tokens
        return cls(
            auth_url,
            True,
            None,
            tokens.user.username if tokens.user else None,
            tokens.user.email if tokens.user else None,
            tokens.scope,
            None if tokens.expires_in is None else tokens.obtained_at + tokens.expires_in,
            None if tokens.refresh_expires_in is None else tokens.obtained_at + tokens.refresh_expires_in,
            session.refreshes,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON shows: moments as ISO 8601 in UTC, and how many seconds are left."""
        now = time.time()
        return {
            "auth_url": self.auth_url,
            "logged_in": self.logged_in,
            "ended": self.ended,
            "username": self.username,
            "email": self.email,
            "scope": self.scope,
            "access_until": _iso(self.access_until),
            "access_left_s": _left(self.access_until, now),
            "session_until": _iso(self.session_until),
            "session_left_s": _left(self.session_until, now),
            "refreshes": self.refreshes,
        }

    def as_text(self) -> str:
        """Return lines for a person."""
        now = time.time()
        lines = {
            "auth service": self.auth_url,
            "logged in as": self._who(),
            "scope": self.scope or "none",
            "access token": _until(self.access_until, now, over="expired; the next call renews it"),
            "session": _until(self.session_until, now, over=f"expired: run `{COMMAND} login`"),
            "refreshes so far": self.refreshes,
        }
        return "".join(f"{name:<16}  {printable(str(value))}\n" for name, value in lines.items())

    def as_words(self) -> str:
        """Return what a list says of it."""
        return self._who() if self.logged_in else f"logged out ({self.ended})"

    def _who(self) -> str:
        return f"{self.username or 'unknown'}" + (f" <{self.email}>" if self.email else "")


def printable(text: str) -> str:
    """Write what would move a terminal's cursor, or end a line, as an escape."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def _iso(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def _left(moment: float | None, now: float) -> int | None:
    return None if moment is None else max(int(moment - now), 0)


def _until(moment: float | None, now: float, *, over: str) -> str:
    if moment is None:
        return "until the service says otherwise"
    if moment <= now:
        return over
    until = datetime.fromtimestamp(moment, UTC).astimezone()
    return f"until {until:%Y-%m-%d %H:%M:%S %Z} ({duration(moment - now)} left)"


def duration(seconds: float) -> str:
    """Write a duration with its two largest units: ``6 d 23 h``."""
    rest = int(seconds)
    words: list[str] = []
    for size, unit in _UNITS:
        if rest >= size or (unit == "s" and not words):
            words.append(f"{rest // size} {unit}")
            rest %= size
    return " ".join(words[:2])
