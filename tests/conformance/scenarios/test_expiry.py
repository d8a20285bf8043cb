"""What a client with double tokens must do: the ordinary course of things, and one refresh for everybody."""

import asyncio
import json
import time

import pytest

from tests.conformance.adapter import ClientUnderTest
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.conftest import OpenAnother
from tests.conformance.faults import Fault
from tests.conformance.pair import Control
from tests.conformance.scenarios.calls import BURST, burst, chunks, get

TOKEN_SERVES_S = 0.5  # at least, whatever the life that it is said to have


async def test_requests_carry_the_access_token(client: ClientUnderTest, pair: Control) -> None:
    """A request to the resource service is signed with the session's access token."""
    await get(client, pair)

    assert {"seen": ["Bearer at-1"]} == await pair.counts("seen")


async def test_a_live_token_is_used_again_and_again(client: ClientUnderTest, pair: Control) -> None:
    """As long as a token is good nothing is refreshed."""
    assert [200] * 20 == [await get(client, pair) for _ in range(20)]
    assert {"refresh_calls": 0} == await pair.counts("refresh_calls")


async def test_an_expiry_goes_unnoticed(client: ClientUnderTest, pair: Control) -> None:
    """A 401 is answered by one refresh and one repetition; the caller sees the answer."""
    await pair.expire()

    assert 200 == await get(client, pair)
    assert {"refresh_calls": 1, "api_requests": 2} == await pair.counts("refresh_calls", "api_requests")


async def test_expiry_after_expiry_goes_unnoticed(client: ClientUnderTest, pair: Control) -> None:
    """A session outlives any number of access tokens; each refresh presents the newest refresh token."""
    for _ in range(10):
        await pair.expire()
        assert 200 == await get(client, pair)

    assert {"rotations": 10, "reuses": 0, "most_uses": 1} == await pair.counts("rotations", "reuses", "most_uses")


async def test_a_wrong_password_is_told(client: ClientUnderTest, pair: Control) -> None:
    """A login that fails is told apart from a service in trouble, and leaves the session alone."""
    with pytest.raises(PermissionError):
        await client.login("zs", "wrong")

    assert 200 == await get(client, pair)


async def test_a_trailing_slash_changes_nothing(open_another: OpenAnother, pair: Control) -> None:
    """The auth service's address may end in a slash."""
    client = open_another(auth_url=f"{pair.auth_url}/")
    await client.login("zs", PASSWORD)
    await pair.expire()

    assert 200 == await get(client, pair)


async def test_a_burst_at_expiry_costs_one_refresh(client: ClientUnderTest, pair: Control) -> None:
    """Concurrent requests that meet the same dead token share one refresh, and all succeed."""
    await pair.expire()

    assert [200] * BURST == await burst(client, pair)
    assert {"refresh_calls": 1, "reuses": 0} == await pair.counts("refresh_calls", "reuses")


async def test_each_burst_costs_one_refresh(client: ClientUnderTest, pair: Control) -> None:
    """Burst after burst, expiry after expiry."""
    for _ in range(5):
        await pair.expire()
        assert [200] * BURST == await burst(client, pair)

    assert {"refresh_calls": 5, "reuses": 0} == await pair.counts("refresh_calls", "reuses")


async def test_a_late_401_refreshes_nothing(client: ClientUnderTest, pair: Control) -> None:
    """A 401 for an old token that arrives after the new one is in is answered with the new one."""
    await pair.expire()
    late = asyncio.create_task(get(client, pair, "/slow"))
    await pair.wait_for_slow()
    assert 200 == await get(client, pair)
    await pair.release()

    assert 200 == await late
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_who_began_the_refresh_may_be_cancelled(client: ClientUnderTest, pair: Control) -> None:
    """The others do not notice, and nothing is refreshed twice."""
    await pair.expire()
    await pair.fault("refresh", Fault("hang_before"))
    starter = asyncio.create_task(get(client, pair))
    await pair.wait_for_hanging()
    others = [asyncio.create_task(get(client, pair)) for _ in range(10)]
    starter.cancel()
    await asyncio.wait([starter])
    await pair.release()

    assert [200] * 10 == await asyncio.gather(*others)
    assert {"rotations": 1, "reuses": 0} == await pair.counts("rotations", "reuses")


async def test_everybody_may_be_cancelled(client: ClientUnderTest, pair: Control) -> None:
    """A refresh that nobody waits for any more is not lost: the next request goes on with the session."""
    await pair.expire()
    await pair.fault("refresh", Fault("hang_after"))
    callers = [asyncio.create_task(get(client, pair)) for _ in range(10)]
    await pair.wait_for_hanging()
    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)
    await pair.release()

    assert 200 == await get(client, pair)
    assert {"reuses": 0, "rotations": 1} == await pair.counts("reuses", "rotations")


async def test_a_night_of_sleep_is_noticed(client: ClientUnderTest, pair: Control) -> None:
    """A token that ran out while the machine slept is renewed before it is used: an upload is sent once, and whole."""
    await pair.expire()
    client.sleep(8 * 3600)
    answer = await client.request("POST", f"{pair.api_url}/echo", chunks())

    assert (200, 50) == (answer.status, json.loads(answer.body)["bytes"])
    assert {"refresh_calls": 1, "api_401s": 0} == await pair.counts("refresh_calls", "api_401s")


async def test_a_nap_renews_nothing(client: ClientUnderTest, pair: Control) -> None:
    """As long as the token is good."""
    client.sleep(1800)

    assert 200 == await get(client, pair)
    assert {"refresh_calls": 0} == await pair.counts("refresh_calls")


@pytest.mark.parametrize("expires_in", [None, 0, 0.01, 1, 3600])
async def test_whatever_the_life_a_burst_costs_one_refresh(
    open_another: OpenAnother, pair: Control, expires_in: float | None
) -> None:
    """expires_in missing, zero, shorter than any margin: never a refresh for each caller."""
    await pair.set(expires_in=expires_in)
    client = open_another()
    await client.login("zs", PASSWORD)
    await pair.expire()
    begun_s = time.monotonic()

    assert [200] * BURST == await burst(client, pair)
    state = await pair.state()
    # A burst that takes longer than the new token serves, on a slow machine, meets its end.
    ends = 0 if expires_in in (None, 3600) else (time.monotonic() - begun_s) // TOKEN_SERVES_S
    assert 1 <= state["refresh_calls"] <= 1 + ends
    assert 0 == state["reuses"]


async def test_a_server_whose_clock_is_ahead_goes_unnoticed(client: ClientUnderTest, pair: Control) -> None:
    """Tokens that die long before their expires_in cost one refresh each."""
    await pair.set(expire_every=10)
    statuses = [await get(client, pair) for _ in range(100)]

    assert [200] * 100 == statuses
    assert {"refresh_calls": 9, "reuses": 0} == await pair.counts("refresh_calls", "reuses")
