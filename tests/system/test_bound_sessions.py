"""Sessions bound to a key, over real processes: lost answers, restarts, replicas whose clocks differ by minutes."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from dualtoken.client import TokenSource
from tests.auth_service.domain.dpop import ProofMaker
from tests.system.calls import counting
from tests.system.clocks import now_ms, restart
from tests.system.deployment import USERNAME, Deployment, Sqlite, deployed, postgres
from tests.system.honest import HTU, NO_ANSWER, Answer, present
from tests.system.processes import PASSWORD, Service
from tests.system.proxy import Fate, Proxy

_DAYS = 24 * 3600
_MINUTES = 60


@pytest.fixture
async def replicas(tmp_path: Path) -> AsyncIterator[Deployment]:
    """Two auth services on one PostgreSQL."""
    with postgres() as database:
        async with deployed(tmp_path, database, 2) as deployment:
            yield deployment


async def refresh(
    http: aiohttp.ClientSession, replica: Service, maker: ProofMaker, token: str, *, clock_s: int = 0
) -> Answer:
    """Refresh without an Idempotency-Key, by a client whose clock is so far ahead; answer a challenge once."""
    answer = await present(http, replica.url, token, proof=maker.proof(now_ms(clock_s), htu=HTU))
    if answer.error == "use_dpop_nonce":
        answer = await present(
            http, replica.url, token, proof=maker.proof(now_ms(clock_s), htu=HTU, nonce=answer.nonce)
        )
    return answer


async def lose(http: aiohttp.ClientSession, replica: Service, maker: ProofMaker, token: str) -> None:
    """Refresh, and lose the answer after the rotation is committed."""
    dropped: list[bytes] = []
    async with Proxy(lambda: [replica.port], random.Random(1), lambda request, _: dropped.append(request)) as proxy:
        proxy.misbehave({Fate.CUT_AFTER: 1.0})
        with pytest.raises(NO_ANSWER):
            await present(http, proxy.url, token, proof=maker.proof(now_ms(), htu=HTU))
    assert 1 == len(dropped)


async def test_a_lost_answer_is_repeated_days_later_by_any_process(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """Without an Idempotency-Key, at any delay: the key proves the same client."""
    maker = ProofMaker()
    async with deployed(tmp_path, Sqlite(tmp_path / "auth.db"), 2) as deployment:
        one, other = deployment.processes
        [first] = await deployment.seed(1, [maker.jkt])
        await lose(http, one, maker, first)
        for each in (one, other):
            await restart(each, 6 * _DAYS)
        late = [await refresh(http, each, maker, first, clock_s=6 * _DAYS) for each in (other, one, other)]
        after = await refresh(http, other, maker, late[0].successor, clock_s=6 * _DAYS)

    assert [200] * 4 == [answer.status for answer in (*late, after)]
    assert 1 == len({answer.successor for answer in late})
    assert ["2"] == deployment.database.query("SELECT generation FROM sessions")


async def test_a_thief_of_tokens_changes_nothing_on_any_replica(
    replicas: Deployment, http: aiohttp.ClientSession
) -> None:
    """Each token that ever was, presented everywhere with a key of the thief's own; the owner goes on."""
    owner, thief = ProofMaker(), ProofMaker()
    tokens = await replicas.seed(1, [owner.jkt])
    for number in range(4):
        tokens.append((await refresh(http, replicas.processes[number % 2], owner, tokens[-1])).successor)
    stolen = [await refresh(http, each, thief, token) for each in replicas.processes for token in tokens]

    assert {(400, "invalid_dpop_proof", "unproven")} == {(each.status, each.error, each.reason) for each in stolen}
    assert 200 == (await refresh(http, replicas.processes[0], owner, tokens[-1])).status


@pytest.mark.parametrize("apart_s", [4 * _MINUTES, 9 * _MINUTES])
async def test_replicas_whose_clocks_are_minutes_apart_know_one_client(
    replicas: Deployment, http: aiohttp.ClientSession, apart_s: int
) -> None:
    """A client whose clock lies between theirs is refreshed by each in turn, and never challenged."""
    maker = ProofMaker()
    [token] = await replicas.seed(1, [maker.jkt])
    for replica, ahead_s in zip(replicas.processes, (apart_s // 2, -apart_s // 2), strict=True):
        await restart(replica, ahead_s)
    answers = []
    for number in range(6):
        proof = maker.proof(now_ms(), htu=HTU)
        answers.append(await present(http, replicas.processes[number % 2].url, token, proof=proof))
        token = answers[-1].successor

    assert [200] * 6 == [answer.status for answer in answers]


async def test_one_nonce_serves_all_replicas_and_outlives_their_restarts(
    replicas: Deployment, http: aiohttp.ClientSession
) -> None:
    """A client whose clock is days off needs a nonce; that of one replica counts at the other, four minutes behind."""
    maker, (one, other) = ProofMaker(), replicas.processes
    [token] = await replicas.seed(1, [maker.jkt])
    await restart(one, 2 * _MINUTES)
    challenge = await present(http, one.url, token, proof=maker.proof(now_ms(-5 * _DAYS), htu=HTU))
    await restart(one, 2 * _MINUTES)
    await restart(other, -2 * _MINUTES)
    answers = []
    for replica in (other, one, other):
        proof = maker.proof(now_ms(-5 * _DAYS), htu=HTU, nonce=challenge.nonce)
        answers.append(await present(http, replica.url, token, proof=proof))
        token = answers[-1].successor

    assert (400, "use_dpop_nonce") == (challenge.status, challenge.error)
    assert [200] * 3 == [answer.status for answer in answers]


async def test_the_client_keeps_the_nonce_of_a_repeated_answer(replicas: Deployment) -> None:
    """Its clock is hours off, half of its answers are lost, both replicas restart: it is challenged once, at log-in."""
    statuses = Counter[int]()
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(counting(statuses))
        proxy = Proxy(replicas.ports, random.Random(1), port=replicas.front_port)
        await stack.enter_async_context(proxy)
        await replicas.seed(1)  # which makes the user
        wrong = TokenSource(proxy.url, session=http, dpop=True, wall_clock=lambda: now_ms(-7200) / 1000)
        source = await stack.enter_async_context(wrong)
        await source.login(USERNAME, PASSWORD)
        proxy.misbehave({Fate.PASS: 0.5, Fate.CUT_AFTER: 0.5})
        for ahead_s in (2 * _MINUTES, -2 * _MINUTES):
            for replica in replicas.processes:
                await restart(replica, ahead_s)
                await source.token(rejected=await source.token())
                await source.token(rejected=await source.token())

    assert {200, 400} == set(statuses)
    assert 1 == statuses[400]
    assert 8 == source.stats.refreshes
    assert source.stats.retries > 0
