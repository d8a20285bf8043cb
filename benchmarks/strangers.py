"""Tokens of many users, each seldom seen: what no memory of verified tokens helps with."""

import itertools
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.http_load import Answer, NextRequest
from dualtoken.auth_service.domain.jwk import Jwk
from dualtoken.auth_service.domain.models import Session, User, new_session_id
from dualtoken.auth_service.tokens.access import AccessTokens

USERS = 40_000
"""More than a service remembers by default: 16 MiB are about 29,000 tokens."""
_LIFE_S = 24 * 3600  # longer than any benchmark


def tokens_of(key: Jwk, number: int, *, issuer: str, audience: str) -> list[str]:
    """Mint one token for each of *number* users as the auth service does, in random order."""
    now = time.time_ns() // 1_000_000
    minting = AccessTokens([key], issuer=issuer, audience=audience, ttl_s=_LIFE_S)
    made = []
    for user_number in range(number):
        user = User(f"user-{user_number}", f"name-{user_number}", f"{user_number}@example.org", "read write")
        made.append(minting.mint(Session(new_session_id(), user, 0, now, None, now, now + 10**9), now))
    random.Random(1).shuffle(made)  # noqa: S311 - an order that can be repeated
    return made


class Strangers:
    """Makes every request of every connection bring another user's token; after the last the first comes again.

    In a fixed order of more tokens than are remembered, each is forgotten before it comes again.
    """

    def __init__(self, path: str, tokens: Sequence[str]) -> None:
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
        self._requests = itertools.cycle([f"{head}{token}\r\n\r\n".encode() for token in tokens])

    def __call__(self, _number: int) -> NextRequest:
        """Return what makes the requests of a connection."""
        requests = self._requests

        def next_request(last: Answer | None) -> bytes:
            assert last is None or last.status == 200, last
            return next(requests)

        return next_request


def write_keys(path: Path, keys: Sequence[Jwk]) -> None:
    """Write a JWK Set that only its owner may read."""
    path.touch(mode=0o600)
    path.write_text(json.dumps({"keys": list(keys)}))
