import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dualtoken.resource_service.authenticator import Authenticator, FeedPolicy
from dualtoken.resource_service.errors import KeySetRefused, KeysUnavailable, UnknownKey
from dualtoken.resource_service.verification.jwk_set import KeySet, parse_jwk_set
from dualtoken.resource_service.verification.verifier import ValidationPolicy
from tests.resource_service.clock import Clock
from tests.resource_service.issuer import AUDIENCE, ISSUER, NOW, Key
from tests.resource_service.jwk_sets import jwk_set
from tests.resource_service.keys.test_refresher import Source

KEY, NEWER = Key(), Key("k2")
CREDENTIALS = f"Bearer {NEWER.token()}"
GOOD = parse_jwk_set(jwk_set(KEY.jwk))


@asynccontextmanager
async def authenticator(*answers: KeySet | Exception) -> AsyncIterator[Authenticator]:
    """Run one whose key source gives these answers."""
    made = Authenticator(ValidationPolicy(ISSUER, AUDIENCE), Source(*answers), clock=Clock(NOW + 10))
    async with made.running():
        yield made


@pytest.mark.parametrize("failure", [KeySetRefused("away"), RuntimeError("a bug")])
async def test_an_unknown_key_is_no_verdict_while_the_source_is_broken(failure: Exception) -> None:
    """The key may be newer than what is known: a 401 would log its holder out."""
    async with authenticator(GOOD, failure) as a:
        with pytest.raises(KeysUnavailable):
            await a.authenticate_with_newer_keys(CREDENTIALS)


async def test_an_unknown_key_is_refused_once_the_newest_keys_do_not_have_it() -> None:
    """The source answers: whoever signed that is nobody."""
    async with authenticator(GOOD) as a:
        with pytest.raises(UnknownKey):
            await a.authenticate_with_newer_keys(CREDENTIALS)


async def test_known_keys_verify_while_the_source_is_broken() -> None:
    """The last good set stays in use."""
    async with authenticator(GOOD, KeySetRefused("away")) as a:
        with pytest.raises(KeysUnavailable):
            await a.authenticate_with_newer_keys(CREDENTIALS)

        assert "user-1" == a.authenticate(f"Bearer {KEY.token()}").sub


async def test_with_retired_keys_alone_there_is_no_verdict() -> None:
    """An emptied set refuses what the keys before it would have let in, and the service is not ready."""
    async with authenticator(GOOD, parse_jwk_set(jwk_set())) as a:
        known = a.authenticate(f"Bearer {KEY.token()}").sub
        await a.keys.newer()
        with pytest.raises(KeysUnavailable):
            await a.authenticate_with_newer_keys(f"Bearer {KEY.token()}")

        assert ("user-1", {"keys": False}) == (known, a.ready)


@pytest.mark.parametrize(
    "wrong",
    [
        {"stale": "close"},
        {"stale": "Closed"},
        {"stale": None},
        {"stale_after_s": math.nan},
        {"stale_after_s": 0},
        {"access_ttl_s": math.nan},
        {"access_ttl_s": -1},
    ],
)
def test_a_feed_policy_that_could_not_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    """Each would honour tokens of sessions that were revoked, without a word."""
    with pytest.raises(ValueError, match="|".join(wrong)):
        FeedPolicy(**wrong)
