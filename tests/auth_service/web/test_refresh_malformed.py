"""``POST /refresh`` with what is no token of this service: refused before anything asks the database."""

import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dualtoken.auth_service.domain.jwk import secret_of
from dualtoken.auth_service.domain.models import encode_session_id
from dualtoken.auth_service.keys.jwk_file import read_key_file
from dualtoken.auth_service.store import Store
from dualtoken.auth_service.store.sql import open_store
from dualtoken.auth_service.tokens.refresh import PREFIX, RefreshKey, RefreshTokens
from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import Auth, reason_of

# In a token, they stand where they are spelled with both characters that the two alphabets differ in.
SESSION_ID = encode_session_id(b"\xfb\xff" * 8)
FOREIGN = RefreshTokens([RefreshKey("foreign", b"f" * 32)])


class Spy:
    """A store that may not be asked; what runs by itself may ask."""

    def __init__(self, store: Store) -> None:
        self.calls: list[str] = []
        self._store = store

    def __getattr__(self, name: str) -> Any:
        if name in {"delete_expired", "delete_spent_assertions", "sample_hashes", "read_clock"}:
            return getattr(self._store, name)
        self.calls.append(name)
        raise AssertionError(f"{name} was called")


@pytest.fixture
def spies(monkeypatch: pytest.MonkeyPatch) -> list[Spy]:
    """The stores of the services that start from now on."""
    opened: list[Spy] = []

    @asynccontextmanager
    async def open_spy(*arguments: Any, **options: Any) -> AsyncIterator[Spy]:
        async with open_store(*arguments, **options) as store:
            opened.append(Spy(store))
            yield opened[-1]

    monkeypatch.setattr("dualtoken.auth_service.app.open_store", open_spy)
    return opened


def good_token(auth: Auth) -> str:
    """Return a token with a good MAC."""
    keys = read_key_file(auth.settings.refresh_keys)
    return RefreshTokens([RefreshKey(key["kid"], secret_of(key)) for key in keys]).encode(SESSION_ID, 7)


def flipped(token: str) -> Iterator[str]:
    """Yield the token with each of its 336 bits changed."""
    raw = int.from_bytes(urlsafe_b64decode(token.removeprefix(PREFIX)), "big")
    for bit in range(42 * 8):
        yield PREFIX + urlsafe_b64encode((raw ^ 1 << bit).to_bytes(42, "big")).decode()


def malformed(token: str) -> dict[str, list[str]]:
    """Return what is no token, by what is wrong with it."""
    rng = random.Random(1)
    body = token.removeprefix(PREFIX)
    return {
        "a flipped bit": list(flipped(token)),
        "a prefix": [token[:length] for length in range(len(token))],
        "a suffix": [token[start:] for start in range(1, len(token))],
        "more": [token + more for more in ("A", "=", "==", "\n", " ", "\x00", "AAAA", token)]
        + [" " + token, "\n" + token],
        "another version": ["dtr2_" + body, "DTR1_" + body, "dtr1-" + body],
        "a foreign key": [FOREIGN.encode(SESSION_ID, generation) for generation in (0, 7)],
        "random bytes": [PREFIX + urlsafe_b64encode(rng.randbytes(42)).decode() for _ in range(20)],
        "no ASCII": [PREFIX + "é" * 56, PREFIX + "\uff21" + body[1:], "\uff44tr1_" + body, token[:-1] + "\U0001f600"],
        "the other alphabet": [PREFIX + body.replace("-", "+"), PREFIX + body.replace("_", "/")],
    }


async def test_what_is_malformed_costs_no_call_of_the_database(start_auth: StartAuth, spies: list[Spy]) -> None:
    """A token that is changed, cut, lengthened, foreign or spelled otherwise is 400 malformed, and nothing is asked."""
    auth = await start_auth()
    token = good_token(auth)
    presented = malformed(token)
    answers = {name: {reason_of(await auth.refresh(each)) for each in tokens} for name, tokens in presented.items()}
    calls = list(spies[0].calls)
    await auth.refresh(token)

    assert 336 == len(set(presented["a flipped bit"]) - {token})
    assert {name: {(400, "invalid_grant", "malformed")} for name in presented} == answers
    assert [] == calls
    assert ["rotate"] == spies[0].calls  # of the token itself: the spy sees what is asked
