"""How a session begins, how long it lasts, and what is granted by it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pydantic_core import to_json

from ..domain.assertion import LEEWAY_MS
from ..domain.models import Device, User
from ..domain.rotation import RotationPolicy
from ..errors import InvalidRequest


class Granted(NamedTuple):
    """The tokens of one answer, whose they are, and what the access token may be used for. Times in seconds.

    ``bound``: whether the refresh token needs a proof of the session's key.
    """

    user: User
    scope: str
    access_token: str
    expires_in: int
    refresh_token: str
    refresh_expires_in: int
    bound: bool


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long things live, and how many sessions of one user. ``policy`` and ``session_ttl`` in milliseconds."""

    policy: RotationPolicy
    session_ttl: int
    sessions_per_user: int


class Beginning(NamedTuple):
    """How a session begins.

    Attributes:
        client: what the list of sessions shows.
        amr: how the user was authenticated, in the words of RFC 8176 §2.
        auth_time: when, in seconds since the epoch; None: now.
        scope: beyond which the user's does not count in this session; None: all of it does.
        jkt: the thumbprint of the key that it is bound to (RFC 9449 §5), or None.
        session_id: None: a new one.
    """

    client: Device
    amr: Sequence[str] = ("pwd",)
    auth_time: int | None = None
    scope: str | None = None
    jkt: str | None = None
    session_id: str | None = None

    def require_past(self, now: int) -> None:
        """Return if the user has been authenticated by *now*, but for what two clocks may differ.

        Raises:
            InvalidRequest: a time that is yet to come, or one in milliseconds, would count as recent for ever.
        """
        if self.auth_time is not None and self.auth_time * 1000 > now + LEEWAY_MS:
            raise InvalidRequest("auth_time is in the future: give seconds since the epoch.")

    def authenticated_at(self, now: int) -> int:
        """Return when the user was, in seconds: at *now* at the latest."""
        return now // 1000 if self.auth_time is None else min(self.auth_time, now // 1000)

    def claims(self, now: int) -> str:
        """Return what each token of the session says of it (RFC 9068 §2.2.1)."""
        at = self.authenticated_at(now)
        return to_json({"auth_time": at, **({"amr": self.amr} if self.amr else {})}).decode()
