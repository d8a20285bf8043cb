"""Moves users in: many accounts from elsewhere, batch by batch, and as often as it takes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..domain.models import Credentials
from ..store import AccountStore, Added

BATCH = 500

Refusal = tuple[int, str]
"""The number of a line, and why it was refused."""


@dataclass
class Imported:
    """What became of the lines so far: *present* users were there already, and are as they were."""

    added: int = 0
    present: int = 0
    refused: int = 0


class UserImport:
    """Each batch is one transaction: after any interruption, another run of the same lines resumes the import."""

    def __init__(
        self, store: AccountStore, read: Callable[[bytes], Credentials], on_refused: Callable[[Refusal], None]
    ) -> None:
        """*read* returns the account of a line; its ValueError refuses the line, of which *on_refused* hears."""
        self._store, self._read, self._on_refused = store, read, on_refused
        self.done = Imported()

    async def run(self, lines: Iterable[tuple[int, bytes]], *, now: int, on_batch: Callable[[], None]) -> Imported:
        """Add the users of numbered *lines*; *on_batch* is called after each batch. Raises: Unavailable."""
        batch: list[tuple[int, Credentials]] = []
        for number, line in lines:
            try:
                batch.append((number, self._read(line)))
            except ValueError as exc:
                self._refuse(number, str(exc))
            if len(batch) == BATCH:
                await self._add(batch, now)
                batch.clear()
                on_batch()
        if batch:
            await self._add(batch, now)
        on_batch()
        return self.done

    async def _add(self, batch: list[tuple[int, Credentials]], now: int) -> None:
        outcomes = await self._store.add_accounts([account for _, account in batch], now=now)
        for (number, _), outcome in zip(batch, outcomes, strict=True):
            if outcome is Added.NAME_TAKEN:
                self._refuse(number, "username: another user has it")
            elif outcome is Added.PRESENT:
                self.done.present += 1
            else:
                self.done.added += 1

    def _refuse(self, number: int, reason: str) -> None:
        self.done.refused += 1
        self._on_refused((number, reason))
