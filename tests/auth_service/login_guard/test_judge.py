"""Passwords judged in a process of their own."""

import asyncio
from collections.abc import Iterator

import psutil
import pytest

from dualtoken.auth_service.domain.models import User
from dualtoken.auth_service.domain.password_rules import password_rule
from dualtoken.auth_service.errors import Busy
from dualtoken.auth_service.login_guard.judge import Judge
from dualtoken.auth_service.login_guard.lanes import Lanes
from dualtoken.auth_service.login_guard.shares import Asker
from tests.deadline import HANGS_S

ISSUER = "https://auth.example:8443/tenant"
USER = User("u-1", "alice", "alice.wonderland@example.org", "read")
GOOD = "correct horse battery staple"


def processes() -> list[psutil.Process]:
    """Return the processes that judge for this one, and have not ended."""
    return [child for child in psutil.Process().children() if judges(child)]


def judges(process: psutil.Process) -> bool:
    """Whether it runs, and is a judge: it may end, and be waited for by another thread, while it is looked at."""
    try:
        return "judge_process" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


async def gone() -> None:
    """Return when none of them runs."""
    async with asyncio.timeout(HANGS_S):
        while processes():  # noqa: ASYNC110 - processes tell nobody
            await asyncio.sleep(0.01)


@pytest.fixture
def lanes() -> Lanes:
    """Seventeen places."""
    return Lanes(1, deadline_s=HANGS_S)


@pytest.fixture
def judge(lanes: Lanes) -> Iterator[Judge]:
    """A judge whose process is gone at the end."""
    judge = Judge(lanes, 15, ISSUER)
    yield judge
    judge.close()


@pytest.mark.parametrize(
    "password",
    ["short", "password12345678", "alice.wonderland", "auth.example 123", GOOD, "пароль\0" * 3, "line\nbreak " * 3],
)
async def test_the_verdict_is_that_of_the_rules(judge: Judge, password: str) -> None:
    """Whatever the user's and the service's names, length and characters."""
    assert password_rule(15, ISSUER)(password, USER) == await judge.problem_of(password, USER)


async def test_verdicts_at_once_are_given_one_after_the_other(judge: Judge) -> None:
    """Each caller gets its own, and no process is left."""
    verdicts = await asyncio.gather(*(judge.problem_of(password, USER) for password in [GOOD, "x", GOOD, "y"]))

    assert [None, "must have at least 15 characters"] * 2 == verdicts
    assert [] == processes()


async def test_a_process_that_fails_is_a_fault_of_the_service(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no verdict: nobody gets a password that was not judged."""
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(RuntimeError, match="judge of passwords"):
        await judge.problem_of(GOOD, USER)


async def test_a_process_that_starves_is_followed_by_one_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy host what gives way gets no processor time: a second process has the usual priority."""
    monkeypatch.setattr("dualtoken.auth_service.login_guard.judge._GIVING_WAY", ("sleep", str(HANGS_S)))
    judge = Judge(Lanes(1, patience_s=0.1, deadline_s=HANGS_S), 15, ISSUER)

    assert None is await judge.problem_of(GOOD, USER)
    await gone()
    judge.close()


async def test_nobody_waits_for_a_verdict_beyond_the_deadline() -> None:
    """The caller is told to come back, and the process is gone."""
    lanes = Lanes(1, patience_s=0.001, deadline_s=0.002)
    judge = Judge(lanes, 15, ISSUER)
    with pytest.raises(Busy):
        await judge.problem_of(GOOD, USER)

    assert 0 == lanes.waiting
    await gone()
    judge.close()


async def test_a_verdict_takes_a_place_in_the_queue(judge: Judge, lanes: Lanes) -> None:
    """Who fills the share with hashes has none left for verdicts."""
    asker = Asker("alice", "192.0.2.1")
    async with lanes.place(asker), lanes.place(asker), lanes.place(asker), lanes.place(asker):
        with pytest.raises(Busy):
            await judge.problem_of(GOOD, USER, asker)

    assert None is await judge.problem_of(GOOD, USER, asker)
