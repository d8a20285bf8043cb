"""What holds for every storage."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import keyring.backend
import pytest
from keyring.errors import PasswordDeleteError

from dualtoken.client import FileStorage, KeyringStorage, MemoryStorage, Storage, StoredSession, Tokens, User
from tests.deadline import HANGS_S

HERE = "https://auth.example/"
THERE = "https://other.example/"


class FakeKeyring(keyring.backend.KeyringBackend):
    """A key ring in memory, made the way the library asks for."""

    priority = 1.0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the library's base is untyped here
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.entries.pop((service, username), None) is None:
            raise PasswordDeleteError


def session(token: str, *, key: str | None = None) -> StoredSession:
    """Return a session with that refresh token."""
    tokens = Tokens(f"access-{token}", token, 12.5, 3600, 604800, "read", User("zs", "zs@example.org"))
    return StoredSession(tokens, None, "login", key, 4)


ENDED = StoredSession(None, "logged_out", "login", None, 4)


@pytest.fixture(params=["memory", "file", "keyring"])
def open_storage(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Storage]:
    """Return a function that opens the same place again and again, as several processes would."""
    memory, ring = MemoryStorage(), FakeKeyring()
    makers: dict[str, Callable[[], Storage]] = {
        "memory": lambda: memory,
        "file": lambda: FileStorage(tmp_path / "tokens.json"),
        "keyring": lambda: KeyringStorage(backend=ring, lock_folder=tmp_path),
    }
    return makers[request.param]


OpenStorage = Callable[[], Storage]


async def test_nothing_is_stored_at_first(open_storage: OpenStorage) -> None:
    """An empty place is no error."""
    assert await open_storage().load(HERE) is None


async def test_what_is_saved_is_loaded(open_storage: OpenStorage) -> None:
    """Every member of a session comes back."""
    await open_storage().save(HERE, session("r1", key="journal"))

    assert session("r1", key="journal") == await open_storage().load(HERE)


async def test_an_ended_session_stays_known(open_storage: OpenStorage) -> None:
    """Other processes learn from the storage that the session is over, and why."""
    await open_storage().save(HERE, session("r1"))
    await open_storage().save(HERE, ENDED)

    assert await open_storage().load(HERE) == ENDED


async def test_accounts_stand_beside_each_other(open_storage: OpenStorage) -> None:
    """Saving one account leaves the others alone."""
    await open_storage().save(HERE, session("r1"))
    await open_storage().save(THERE, session("r2"))

    assert (session("r1"), session("r2")) == (await open_storage().load(HERE), await open_storage().load(THERE))


@pytest.mark.parametrize(
    ("stored", "expected", "swapped"),
    [
        pytest.param(None, None, True, id="nothing, as expected"),
        pytest.param(None, "r1", False, id="nothing, unexpectedly"),
        pytest.param(session("r1"), "r1", True, id="the expected token"),
        pytest.param(session("r9"), "r1", False, id="another token"),
        pytest.param(session("r1"), None, False, id="a token, unexpectedly"),
        pytest.param(ENDED, None, True, id="an ended session holds no token"),
        pytest.param(ENDED, "r1", False, id="logged out meanwhile"),
    ],
)
async def test_a_swap_needs_the_expected_token(
    open_storage: OpenStorage, stored: StoredSession | None, expected: str | None, swapped: bool
) -> None:
    """A session is replaced only if nobody else has put another one there."""
    if stored is not None:
        await open_storage().save(HERE, stored)

    assert swapped == await open_storage().swap(HERE, expected, session("r2"))
    assert (session("r2") if swapped else stored) == await open_storage().load(HERE)


async def test_of_many_swaps_one_succeeds(open_storage: OpenStorage) -> None:
    """Compare and store is one step."""
    await open_storage().save(HERE, session("r0"))
    storage = open_storage()

    results = await asyncio.gather(*(storage.swap(HERE, "r0", session(f"r{n}")) for n in range(1, 30)))

    assert 1 == sum(results)


async def test_a_lock_keeps_others_out(open_storage: OpenStorage) -> None:
    """While one holds the lock of an account nobody else gets it."""
    async with open_storage().lock(HERE, 1):
        with pytest.raises(TimeoutError):
            async with open_storage().lock(HERE, 0.05):
                pytest.fail("two holders")


async def test_a_lock_that_is_let_go_is_had_by_the_next(open_storage: OpenStorage) -> None:
    """Those who wait get it in turn, one at a time."""
    inside, most = 0, 0

    async def hold() -> None:
        nonlocal inside, most
        async with open_storage().lock(HERE, HANGS_S):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(hold() for _ in range(8)))

    assert (inside, most) == (0, 1)


async def test_a_lock_is_for_one_account(open_storage: OpenStorage) -> None:
    """A refresh of one account does not hold up another."""
    async with open_storage().lock(HERE, 1), open_storage().lock(THERE, 0.05):
        assert await open_storage().load(HERE) is None


async def test_reading_and_writing_do_not_wait_for_the_lock(open_storage: OpenStorage) -> None:
    """A logout need not wait for a refresh that hangs in another process."""
    async with open_storage().lock(HERE, 1):
        await open_storage().save(HERE, ENDED)

        assert await open_storage().load(HERE) == ENDED


async def test_who_is_cancelled_while_waiting_takes_no_lock_along(open_storage: OpenStorage) -> None:
    """A waiter that is cancelled leaves the lock to the next."""

    async def wait() -> None:
        async with open_storage().lock(HERE, HANGS_S):
            pytest.fail("had it")

    async with open_storage().lock(HERE, 1):
        waiter = asyncio.create_task(wait())
        with pytest.raises(TimeoutError):  # by now the waiter has tried in vain, too: it asked before
            async with open_storage().lock(HERE, 0.2):
                pytest.fail("two holders")
        waiter.cancel()
        await asyncio.wait([waiter])

    async with open_storage().lock(HERE, 1):
        assert waiter.cancelled()


def test_a_storage_is_used_under_one_event_loop_after_another(open_storage: OpenStorage) -> None:
    """Nothing in it belongs to a loop that is gone, though somebody waited for its lock."""
    storage = open_storage()

    async def contend(token: str) -> StoredSession | None:
        async def hold() -> None:
            async with storage.lock(HERE, HANGS_S):
                await storage.save(HERE, session(token))

        await asyncio.gather(hold(), hold())
        return await storage.load(HERE)

    assert session("r1") == asyncio.run(contend("r1"))
    assert session("r2") == asyncio.run(contend("r2"))


def test_no_token_shows_in_a_repr(open_storage: OpenStorage) -> None:
    """Neither a storage nor a session shows what it holds."""
    storage = open_storage()
    asyncio.run(storage.save(HERE, session("secret", key="secret")))

    assert "secret" not in repr(storage) + repr(session("secret", key="secret"))
