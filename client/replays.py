"""When a refused request is repeated with another token: the rule of every HTTP library's adapter. No I/O."""

import logging
from collections.abc import Iterable
from typing import Final, Protocol

from .wire.challenge import asks_for_new_token
from .wire.url_policy import Origin

_log = logging.getLogger("dualtoken.client")

MAX_REPLAYS: Final = 3


class Freshness(Protocol):
    """What the rule needs of a token source."""

    def is_too_fresh(self, refused: str) -> bool:
        """Tell whether *refused* has just come from a refresh: another one would mend nothing. No I/O."""


class Replays:
    """A refused request is repeated while each 401 met another token than the last, three times at most.

    A token that is refused twice is the caller's 401. So is one that a service refuses though it has just come from a
    refresh; from then on that service's refusals start no further refresh, until it accepts such a token again.

    Attributes:
        refusing: services that refused a token fresh from a refresh, each with the path.
    """

    def __init__(self, tokens: Freshness) -> None:
        self._tokens = tokens
        self.refusing: dict[Origin, str] = {}

    def accepted(self, service: Origin, path: str, replays: int) -> None:
        """Note that *service* took a token. One that refuses some paths for good answers 200 on others."""
        if self.refusing and (replays or self.refusing.get(service) == path):
            self.refusing.pop(service, None)

    def may_mend(
        self, challenges: Iterable[str], service: Origin, path: str, *, token: str, last: str, replays: int
    ) -> bool:
        """Tell whether another token may help a request that met a 401.

        Args:
            challenges: the values of the answer's ``WWW-Authenticate``.
            service: who refused.
            path: of the request.
            token: that it refused.
            last: that it refused before, in the same request; empty the first time.
            replays: how often the request was repeated.
        """
        if token == last or replays == MAX_REPLAYS or not asks_for_new_token(challenges):
            return False
        if not (replays or service in self.refusing) or not self._tokens.is_too_fresh(token):
            return True
        if service not in self.refusing:
            scheme, host, port = service
            _log.error(
                "%s://%s:%s refuses a token that has just come from a refresh: its audience, keys or clock may be "
                "wrong. Its refusals go to the callers, and start a refresh once a minute at most",
                scheme, host, port,
            )  # fmt: skip
        self.refusing[service] = path
        return False
