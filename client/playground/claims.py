"""The demonstration's claims, as counts. No I/O; times are never judged."""

import base64
import json
import math
from dataclasses import dataclass, field

from ..tokens import BACKGROUND_FRACTION, BACKGROUND_MAX_S, Tokens

SHORTEST_LIFE_S = 2
BURSTS_IN_A_LIFE = 4


@dataclass(slots=True)
class Burst:
    """One burst of concurrent requests, and what became of it.

    Attributes:
        surprise: the client holds a token for good that has run out.
        answered: requests that got what they asked for.
        failed: requests that got anything else.
        refused: answers of 401; the client repeats those requests.
        refused_alive: those of them that met a token which had not run out.
        refreshes: times that the client took up new tokens.
        due: those of them that replaced a token which had run out, or was in the last part of its life.
        longest_s: the longest that a request waited. Shown, not judged.
    """

    requests: int
    surprise: bool
    answered: int = 0
    failed: int = 0
    refused: int = 0
    refused_alive: int = 0
    refreshes: int = 0
    due: int = 0
    longest_s: float = 0.0
    done: bool = False

    @property
    def held(self) -> bool:
        """Whether every request was answered, at the price of one refresh for each token that ran out."""
        all_answered = self.answered == self.requests and not self.failed and not self.refused_alive
        return all_answered and self.refreshes == self.due >= 1 and self.was_met

    @property
    def was_met(self) -> bool:
        """Whether the burst met what it is about: a foreseen expiry alone costs no 401, a surprise costs some."""
        return self.refused > 0 if self.surprise else self.refused == 0 or self.due > 1


@dataclass(slots=True)
class Claims:
    """All that was claimed in one run.

    Attributes:
        theft: sentences about the stolen token, each with whether it came true.
    """

    bursts: list[Burst] = field(default_factory=list)
    theft: list[tuple[bool, str]] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """Whether every claim held so far."""
        return all(burst.held for burst in self.bursts) and all(ok for ok, _ in self.theft)

    def total(self, name: str) -> int:
        """Add up one count over all bursts."""
        return sum(getattr(burst, name) for burst in self.bursts)


def expires_at(access_token: str) -> float:
    """Return the token's own ``exp``, in seconds since the epoch. It is our own token: no signature is verified."""
    payload = access_token.split(".")[1]
    return float(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"])


def is_due(tokens: Tokens, now: float) -> bool:
    """Whether *tokens* may be replaced at *now* (seconds since the epoch)."""
    life_s = tokens.expires_in or 0.0
    return now >= tokens.obtained_at + life_s - min(life_s * BACKGROUND_FRACTION, BACKGROUND_MAX_S)


def token_life_s(burst_s: float) -> int:
    """Return how many seconds tokens are to live where a first burst took *burst_s*: the others fit in many times."""
    return max(SHORTEST_LIFE_S, math.ceil(BURSTS_IN_A_LIFE * burst_s))
