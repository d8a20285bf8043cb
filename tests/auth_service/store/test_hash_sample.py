"""Which accounts are drawn, on a real database."""

from dualtoken.auth_service.domain.models import Credentials, User
from dualtoken.auth_service.store import Store
from tests.auth_service.running import START_MS
from tests.auth_service.store.conftest import EVERY_DATABASE, HASH

pytestmark = EVERY_DATABASE


async def add(store: Store, first: int, count: int, password_hash: str | None = HASH * 10) -> None:
    """Add users of large rows."""
    for start in range(first, first + count, 1000):
        numbers = range(start, min(start + 1000, first + count))
        await store.add_accounts(
            [Credentials(User(f"{number:06}", f"{number:06}", "", ""), password_hash) for number in numbers],
            now=START_MS,
        )


async def test_all_of_a_few_are_drawn(store: Store, user: User) -> None:
    """But those who have no password, and the row of the erased."""
    await add(store, 0, 10)
    await add(store, 10, 10, None)
    await store.erase_user("000009", lambda _: None, now=START_MS)

    assert {(user.id, HASH), *((f"{number:06}", HASH * 10) for number in range(9))} == set(await store.sample_hashes())


async def test_of_many_some_are_drawn_from_all_over_the_table(store: Store) -> None:
    """No more than a few thousand, and of each tenth of the table about as many."""
    await add(store, 0, 20_000)
    drawn = [int(user_id) // 2000 for user_id, _ in await store.sample_hashes() if user_id.isdecimal()]

    assert 500 < len(drawn) < 5000
    assert all(0.03 < drawn.count(tenth) / len(drawn) < 0.25 for tenth in range(10)), drawn


async def test_the_same_are_drawn_again(store: Store) -> None:
    """Also after the table has grown: whoever is drawn then, too, was drawn before, but for those who are new."""
    await add(store, 0, 10_000)
    first, again = [set(await store.sample_hashes()) for _ in range(2)]
    await add(store, 10_000, 10_000)
    grown = {drawn for drawn in await store.sample_hashes() if drawn[0] < "010000"}

    assert first == again
    assert len(grown - first) <= len(grown) / 10


async def test_nobody_is_drawn_from_an_empty_table(store: Store, user: User) -> None:
    """There is nothing to draw."""
    await store.erase_user(user.id, lambda _: None, now=START_MS)

    assert [] == await store.sample_hashes()
