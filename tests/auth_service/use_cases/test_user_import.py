"""Importing in bounded memory."""

import io
from collections.abc import Iterator

from dualtoken.auth_service.domain.models import Credentials, User
from dualtoken.auth_service.store import Added
from dualtoken.auth_service.use_cases.user_import import BATCH, Imported, UserImport
from dualtoken.auth_service.use_cases.user_lines import MAX_LINE_BYTES, lines_of


class Counting:
    """A store that keeps nothing but a number."""

    def __init__(self) -> None:
        self.stored = 0

    async def add_accounts(self, accounts: list[Credentials], **_: object) -> list[Added]:
        """Count them."""
        self.stored += len(accounts)
        return [Added.NEW for _ in accounts]


async def test_no_more_than_a_batch_is_held() -> None:
    """However long the file, each line is read only when those of the batches before are stored."""
    store, held = Counting(), []

    def lines(count: int) -> Iterator[tuple[int, bytes]]:
        for number in range(1, count + 1):
            held.append(number - store.stored)
            yield number, b""

    batches: list[None] = []
    users = UserImport(store, lambda _: Credentials(User("", "", "", ""), None), lambda _: None)
    done = await users.run(lines(10 * BATCH + 1), now=0, on_batch=lambda: batches.append(None))

    assert BATCH == max(held)
    assert Imported(added=10 * BATCH + 1) == done
    assert 11 == len(batches)


def test_a_line_without_end_is_held_in_part() -> None:
    """It is passed over in pieces, and the line after it has its own number."""
    file = io.BytesIO(b"x" * 1_000_000 + b"\n{}\n")
    first, second = lines_of(file)

    assert MAX_LINE_BYTES < len(first[1]) < MAX_LINE_BYTES + 3
    assert (1, (2, b"{}")) == (first[0], second)
