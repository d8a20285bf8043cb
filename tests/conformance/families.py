"""The strict rule of the fake auth service: a refresh token is good once, and one that comes back kills the family."""

import itertools
from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Family:
    """One session.

    Attributes:
        current: its live refresh token.
        spent: the token before, with the Idempotency-Key that spent it.
        ended: the reason, once it has.
    """

    username: str
    current: str
    spent: tuple[str, str | None] | None = None
    ended: str | None = None


class Refused(Exception):
    """``invalid_grant`` with a reason."""


@dataclass(slots=True)
class Families:
    """All sessions, and what a test may want to know of them.

    Attributes:
        uses: how often each refresh token was exchanged for a *new* one: never more than once.
        live: access tokens that resource servers accept.
    """

    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    of_refresh: dict[str, Family] = field(default_factory=dict)
    of_access: dict[str, Family] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)
    uses: Counter[str] = field(default_factory=Counter)
    rotations: int = 0
    retries: int = 0
    reuses: int = 0

    def open(self, username: str) -> tuple[str, str]:
        """Start a session: its first access and refresh token."""
        number = next(self.numbers)
        family = Family(username, f"rt-{number}")
        self.of_refresh[family.current] = family
        return self._access(family, number), family.current

    def exchange(self, token: str, key: str | None) -> tuple[str, str]:
        """Rotate, or repeat the answer to the same key.

        Raises:
            Refused: unknown, ended, or reused: then the family has ended.
        """
        family = self.of_refresh.get(token)
        if family is None:
            raise Refused("unknown")
        if family.ended is not None:
            raise Refused(family.ended)
        number = next(self.numbers)
        if token == family.current:
            self.uses[token] += 1
            self.rotations += 1
            family.spent, family.current = (token, key), f"rt-{number}"
            self.of_refresh[family.current] = family
        elif key is not None and family.spent == (token, key):
            self.retries += 1
        else:
            self.reuses += 1
            self.end(family, "revoked")
            raise Refused("reused")
        return self._access(family, number), family.current

    def end(self, family: Family, reason: str) -> None:
        """End one session, its access tokens too."""
        family.ended = family.ended or reason
        self.live -= {access for access, owner in self.of_access.items() if owner is family}

    def log_out(self, token: str, *, everywhere: bool) -> None:
        """End the session of *token*, or all of its user."""
        if (family := self.of_refresh.get(token)) is None:
            return
        for other in {id(f): f for f in self.of_refresh.values()}.values():
            if other is family or (everywhere and other.username == family.username):
                self.end(other, "revoked")

    def _access(self, family: Family, number: int) -> str:
        access = f"at-{number}"
        self.of_access[access] = family
        self.live.add(access)
        return access
