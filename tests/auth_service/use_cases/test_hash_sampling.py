"""Stand-ins follow the table while the service runs."""

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from dualtoken.auth_service.errors import Unavailable
from dualtoken.auth_service.login_guard.stand_ins import StandIns
from dualtoken.auth_service.use_cases import hash_sampling
from dualtoken.auth_service.use_cases.hash_sampling import HashSampling
from tests.deadline import HANGS_S

Sample = list[tuple[str, str]]


class Table:
    """A table that answers in turn with a sample, or an error."""

    def __init__(self, *answers: Sample | Exception) -> None:
        self._answers = list(answers)

    async def sample_hashes(self) -> Sample:
        """Return or raise the next; the last one for ever."""
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def stand_ins() -> StandIns:
    """Whose key does not matter here."""
    return StandIns(lambda: lambda message: message.ljust(8))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that other tasks do."""
    async with asyncio.timeout(HANGS_S):
        while not condition():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0)


async def test_what_users_have_now_counts(stand_ins: StandIns) -> None:
    """The latest sample, and only it."""
    sampling = HashSampling(Table([("a", "old")], [("b", "new")]), stand_ins)
    await sampling.look()
    before = stand_ins.hash_for("nobody")
    await sampling.look()

    assert ("old", "new") == (before, stand_ins.hash_for("nobody"))


@pytest.mark.parametrize(
    ("trouble", "event"),
    [(Unavailable("away"), "hash_sample.unavailable"), (RuntimeError("a fault"), "hash_sample.failed")],
)
async def test_a_look_that_fails_is_told_and_tried_again(
    stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch, trouble: Exception, event: str
) -> None:
    """Until it succeeds, the last sample counts; a fault that nobody foresaw ends nothing either."""
    monkeypatch.setattr(hash_sampling, "_INTERVAL_S", 0)
    table = Table([("a", "old")], trouble, [("b", "new")])
    sampling = HashSampling(table, stand_ins)
    await sampling.look()
    with capture_logs() as logs:
        running = asyncio.create_task(sampling.run())
        await until(lambda: stand_ins.hash_for("nobody") == "new")
        running.cancel()

    assert [event] == [line["event"] for line in logs]
