"""A token file that comes back: a restored backup, a synchronised folder, a snapshot of the machine."""

import asyncio
import shutil
from pathlib import Path

import pytest

from dualtoken.client import FileStorage, LoginRequired, StoredSession, TokenSource
from tests.client.conftest import MakeSource
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control


@pytest.fixture
async def source(make_source: MakeSource, token_file: Path) -> TokenSource:
    """Return a source with a session in a file."""
    source = make_source(FileStorage(token_file))
    await source.login("zs", PASSWORD)
    return source


async def in_file(pair: Control, token_file: Path) -> StoredSession:
    """Return what is stored."""
    session = await FileStorage(token_file).load(f"{pair.auth_url}/")
    assert session is not None
    return session


def backup(token_file: Path) -> Path:
    """Copy the token file aside."""
    return Path(shutil.copy(token_file, token_file.with_name("backup.json")))


def restore(copy: Path, token_file: Path) -> None:
    """Put a copy back in one step, as programs that restore and synchronise do."""
    shutil.copy(copy, token_file.with_name("restored"))
    token_file.with_name("restored").replace(token_file)


async def test_an_older_generation_is_overwritten_not_adopted(
    source: TokenSource, pair: Control, token_file: Path
) -> None:
    """With generation 4 in memory and 2 in the file, the renewal presents 4, and the file holds 5."""
    for number in (1, 2):
        await source.token(rejected=f"at-{number}")
    copy = backup(token_file)
    for number in (3, 4):
        await source.token(rejected=f"at-{number}")
    restore(copy, token_file)

    assert "at-6" == await source.token(rejected="at-5")
    assert {"reuses": 0, "rotations": 5} == await pair.counts("reuses", "rotations")
    assert (5, "rt-6") == ((await in_file(pair, token_file)).refreshes, (await in_file(pair, token_file)).refresh_token)


async def test_an_older_generation_with_a_journal_is_overwritten(
    source: TokenSource, pair: Control, token_file: Path
) -> None:
    """The copy was made while a refresh was under way: its key is spent."""
    await pair.fault("refresh", Fault("hang_before"))
    caller = asyncio.create_task(source.token(rejected="at-1"))
    await pair.wait_for_hanging()
    copy = backup(token_file)
    await pair.release()
    await caller
    restore(copy, token_file)

    assert "at-3" == await source.token(rejected="at-2")
    assert {"reuses": 0, "retries": 0} == await pair.counts("reuses", "retries")


async def test_a_file_that_comes_back_during_a_refresh_is_overwritten(
    source: TokenSource, pair: Control, token_file: Path
) -> None:
    """The answer is stored over it."""
    copy = backup(token_file)
    await source.token(rejected="at-1")
    await pair.fault("refresh", Fault("hang_after"))
    caller = asyncio.create_task(source.token(rejected="at-2"))
    await pair.wait_for_hanging()
    restore(copy, token_file)
    await pair.release()

    assert "at-3" == await caller
    assert ("rt-3", 0) == ((await in_file(pair, token_file)).refresh_token, source.stats.discarded)


async def test_the_file_of_an_older_login_is_overwritten(source: TokenSource, pair: Control, token_file: Path) -> None:
    """Though its session was refreshed more often than the one that counts."""
    for number in (1, 2):
        await source.token(rejected=f"at-{number}")
    copy = backup(token_file)
    await source.login("zs", PASSWORD)
    restore(copy, token_file)

    assert "at-5" == await source.token(rejected="at-4")
    assert "rt-5" == (await in_file(pair, token_file)).refresh_token


@pytest.mark.usefixtures("source")
async def test_the_file_of_a_login_that_nobody_here_has_seen_is_told_by_its_age(
    make_source: MakeSource, pair: Control, token_file: Path
) -> None:
    """A process that began after it, and another one's later login, both tell."""
    copy = backup(token_file)
    await make_source(FileStorage(token_file)).login("zs", PASSWORD)
    later = make_source(FileStorage(token_file))
    assert "at-2" == await later.token()
    restore(copy, token_file)

    assert "at-3" == await later.token(rejected="at-2")
    assert "rt-3" == (await in_file(pair, token_file)).refresh_token


async def test_a_file_from_before_a_logout_logs_nobody_in(source: TokenSource, pair: Control, token_file: Path) -> None:
    """It is overwritten with the end."""
    copy = backup(token_file)
    await source.logout()
    restore(copy, token_file)
    with pytest.raises(LoginRequired, match="logged_out"):
        await source.token()

    assert (None, "logged_out") == ((await in_file(pair, token_file)).tokens, (await in_file(pair, token_file)).ended)
    assert {"refresh_calls": 0} == await pair.counts("refresh_calls")


async def test_a_file_from_before_the_end_of_the_session_is_not_presented(
    source: TokenSource, pair: Control, token_file: Path
) -> None:
    """The auth service has ended it: it is not asked again for a copy of the same generation."""
    copy = backup(token_file)
    await pair.end_sessions()
    for _ in range(2):
        with pytest.raises(LoginRequired, match="revoked"):
            await source.token(rejected="at-1")
        restore(copy, token_file)

    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_a_login_after_an_older_file_came_back_wins(
    source: TokenSource, make_source: MakeSource, pair: Control, token_file: Path
) -> None:
    """Another process logs in on it; the one with the longer session in memory takes that over."""
    copy = backup(token_file)
    await source.token(rejected="at-1")
    restore(copy, token_file)
    await make_source(FileStorage(token_file)).login("other", PASSWORD)

    assert "at-3" == await source.token(rejected="at-2")
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_a_newer_generation_of_the_same_login_is_adopted(
    source: TokenSource, make_source: MakeSource, pair: Control, token_file: Path
) -> None:
    """Another process has refreshed in the meantime, twice."""
    second = make_source(FileStorage(token_file))
    await second.token()
    for number in (1, 2):
        await second.token(rejected=f"at-{number}")

    assert ("at-3", 1) == (await source.token(rejected="at-1"), source.stats.adopted)
    assert {"refresh_calls": 2} == await pair.counts("refresh_calls")


async def test_a_login_by_a_clock_that_was_put_back_is_the_newest(
    make_source: MakeSource, pair: Control, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logins sort by time, and after the one that they replace, whatever the clock says."""
    clock = iter([4_000_000_000 * 10**9, 1_000, 2_000])
    monkeypatch.setattr("time.time_ns", lambda: next(clock))
    first, second = make_source(FileStorage(token_file)), make_source(FileStorage(token_file))
    for source in (first, second, first):
        await source.login("zs", PASSWORD)

    assert ("at-3", "at-3") == (await first.token(), await second.token(rejected="at-2"))
    assert "rt-3" == (await in_file(pair, token_file)).refresh_token
