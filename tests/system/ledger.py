"""What became of each request that was sent to one service, as its callers and the proxy before it saw it."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from yarl import URL

_DESCRIPTION = re.compile(r'error_description="(\w+)"')
_REFRESH = "POST /refresh"


@dataclass
class Ledger:
    """Calls are ``POST /refresh`` and the like.

    Attributes:
        answers: how many there were, by call and status; those that the proxy withheld included.
        unknown: requests of which nobody knows whether they were processed, by call.
        withheld: how many of the answers nobody heard.
        verdicts: what a resource service said of access tokens.
        refusals: refused refreshes by reason.
        successors: every refresh token that a refresh was answered with.
        renewals: how many refreshes were answered with one.
    """

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    withheld: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    successors: set[str] = field(default_factory=set)
    renewals: int = 0

    def heard(self, call: str, status: int, challenge: str, body: bytes) -> None:
        """Enter an answer. *challenge* is its ``WWW-Authenticate``, or nothing."""
        self.answers[call, status] += 1
        described = _DESCRIPTION.search(challenge)
        self.verdicts["accepted" if status == 200 else described[1] if described else "unavailable"] += 1
        if call == _REFRESH and status in {200, 400}:
            members = json.loads(body)
            if status == 400:
                self.refusals[members["reason"]] += 1
            else:
                self.renewals += 1
                self.successors.add(members["refresh_token"])

    def dropped(self, request: bytes, answer: bytes) -> None:
        """Enter an answer that the proxy withheld."""
        self.withheld += 1
        head, _, body = answer.partition(b"\r\n\r\n")
        status_line, *lines = head.decode().split("\r\n")
        headers: Mapping[str, str] = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        self.heard(call_of(request), int(status_line.split(" ")[1]), headers.get("www-authenticate", ""), body)

    def unanswered(self, request: bytes) -> None:
        """Enter a request that may have been processed, or not."""
        self.unknown[call_of(request)] += 1

    def count(self, call: str, *statuses: int) -> int:
        """Return how many answers of these statuses a call had."""
        return sum(self.answers[call, status] for status in statuses)


def call_of(request: bytes) -> str:
    """Return method and path of the bytes of a request."""
    method, target, _ = request.split(b"\r\n", 1)[0].decode().split(" ")
    return f"{method} {URL(target).path}"
