"""What clients with double tokens must do on one token file."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.conformance.adapter import Answer, SessionEnded
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.conftest import OpenAnother
from tests.conformance.pair import Control
from tests.conformance.scenarios.calls import burst, failures, get


async def test_the_next_start_goes_on_with_the_session(open_another: OpenAnother, pair: Control) -> None:
    """A client that is opened on a token file needs no login."""
    first = open_another()
    await first.login("zs", PASSWORD)
    await pair.expire()
    await get(first, pair)
    await first.close()
    second = open_another()

    assert 200 == await get(second, pair)
    assert {"logins": 1, "refresh_calls": 1} == await pair.counts("logins", "refresh_calls")


async def test_clients_on_one_token_file_share_a_refresh(open_another: OpenAnother, pair: Control) -> None:
    """At an expiry one of them refreshes, and the others take over what it got."""
    clients = [open_another() for _ in range(4)]
    await clients[0].login("zs", PASSWORD)
    for _ in range(3):
        await pair.expire()
        statuses = await asyncio.gather(*(burst(client, pair, 10) for client in clients))
        assert [[200] * 10] * 4 == statuses

    assert {"refresh_calls": 3, "reuses": 0, "most_uses": 1} == await pair.counts(
        "refresh_calls", "reuses", "most_uses"
    )


@pytest.mark.parametrize("later", ["refresh", "login", "logout"])
async def test_an_older_token_file_that_comes_back_is_overwritten(
    open_another: OpenAnother, pair: Control, token_file: Path, later: str
) -> None:
    """A restored backup or a synchronised folder neither ends a session, nor replaces it, nor brings it back."""
    client = open_another()
    await client.login("zs", PASSWORD)
    copy = shutil.copytree(token_file.parent, token_file.parent.with_name("copy"))
    for _ in range(2):
        await pair.expire()
        await get(client, pair)
    if later != "refresh":
        await client.logout()
    if later == "login":
        await client.login("zs", PASSWORD)
    shutil.copytree(copy, token_file.parent, dirs_exist_ok=True)
    await pair.expire()

    assert {SessionEnded if later == "logout" else Answer} == await failures(client, pair)
    assert {"reuses": 0, "refresh_calls": 2 + (later != "logout")} == await pair.counts("reuses", "refresh_calls")
    assert {SessionEnded if later == "logout" else Answer} == await failures(open_another(), pair)


async def test_a_logout_in_one_client_is_one_in_all(open_another: OpenAnother, pair: Control) -> None:
    """The others learn it at their next refresh, and present no dead token."""
    first, second = open_another(), open_another()
    await first.login("zs", PASSWORD)
    await get(second, pair)
    await first.logout()

    assert {SessionEnded} == await failures(second, pair, 5)
    assert {"refresh_calls": 0, "reuses": 0} == await pair.counts("refresh_calls", "reuses")
