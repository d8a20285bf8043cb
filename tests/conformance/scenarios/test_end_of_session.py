"""What a client with double tokens must do when a session ends, or another begins."""

import asyncio

from tests.conformance.adapter import ClientUnderTest, SessionEnded
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control
from tests.conformance.scenarios.calls import BURST, burst, failures, get


async def test_the_end_is_told_to_everybody(client: ClientUnderTest, pair: Control) -> None:
    """When the auth service ends the session all callers learn it, and it is asked once."""
    await pair.end_sessions()

    assert {SessionEnded} == await failures(client, pair)
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_after_the_end_the_service_is_left_alone(client: ClientUnderTest, pair: Control) -> None:
    """A dead refresh token is not presented again."""
    await pair.end_sessions()
    for _ in range(5):
        await failures(client, pair, 1)

    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_a_login_begins_anew(client: ClientUnderTest, pair: Control) -> None:
    """After the end of a session a login opens another."""
    await pair.end_sessions()
    await failures(client, pair, 1)
    await client.login("zs", PASSWORD)

    assert [200] * BURST == await burst(client, pair)


async def test_a_theft_is_noticed(client: ClientUnderTest, pair: Control) -> None:
    """When a thief has used a copy of the refresh token the owner's next refresh ends the session, and says so."""
    await pair.theft()
    await pair.expire()

    assert {SessionEnded} == await failures(client, pair)
    assert {"reuses": 1, "live_sessions": 0} == await pair.counts("reuses", "live_sessions")


async def test_a_logout_ends_the_session_on_both_sides(client: ClientUnderTest, pair: Control) -> None:
    """Afterwards there is no session, neither here nor at the auth service."""
    await client.logout()

    assert {SessionEnded} == await failures(client, pair, 1)
    assert {"live_sessions": 0} == await pair.counts("live_sessions")


async def test_a_logout_everywhere_ends_all_sessions_of_the_user(client: ClientUnderTest, pair: Control) -> None:
    """Those that this client never knew, too."""
    await client.login("zs", PASSWORD)
    await client.logout(everywhere=True)

    assert {"live_sessions": 0} == await pair.counts("live_sessions")


async def test_a_logout_during_a_refresh_wins(client: ClientUnderTest, pair: Control) -> None:
    """Whoever waited learns of it, and the token that comes too late is not left alive."""
    await pair.expire()
    await pair.fault("refresh", Fault("hang_after"))
    caller = asyncio.create_task(failures(client, pair, 1))
    await pair.wait_for_hanging()
    await client.logout()
    await pair.release()

    assert {SessionEnded} == await caller
    assert {"live_sessions": 0} == await pair.counts("live_sessions")


async def test_a_login_during_a_refresh_wins(client: ClientUnderTest, pair: Control) -> None:
    """Requests go on with the new session."""
    await pair.expire()
    await pair.fault("refresh", Fault("hang_before"))
    caller = asyncio.create_task(get(client, pair))
    await pair.wait_for_hanging()
    await client.login("other", PASSWORD)
    await pair.release()

    assert 200 == await caller
    assert 200 == await get(client, pair)
    assert "Bearer at-2" == (await pair.state())["seen"][-1]
