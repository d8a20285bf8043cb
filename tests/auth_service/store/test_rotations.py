"""The rotation rule on a real database: batches and concurrency."""

import asyncio
from collections.abc import Sequence

import pytest

from dualtoken.auth_service.domain.models import Presented, Session, always, new_session_id
from dualtoken.auth_service.domain.rotation import GRANTED, MAX_GENERATION, Kind, Outcome, RotationPolicy
from dualtoken.auth_service.store import Store
from dualtoken.auth_service.store.sql import open_store
from dualtoken.auth_service.use_cases.held_rows import until_free
from tests.auth_service.running import START_MS
from tests.auth_service.store.conftest import DAY, EVERY_DATABASE, HASH
from tests.deadline import HANGS_S

pytestmark = EVERY_DATABASE

POLICY = RotationPolicy(refresh_ttl=7 * DAY, grace=10_000)


async def present(store: Store, *batch: Presented, now: int = START_MS) -> list[Outcome]:
    """Present a batch."""
    return await store.rotate(batch, now=now, policy=POLICY)


def kinds(outcomes: Sequence[Outcome]) -> list[tuple[Kind, int]]:
    """Return the kinds with the generations that were granted (0 where none was)."""
    return [(outcome.kind, outcome.generation if outcome.kind in GRANTED else 0) for outcome in outcomes]


async def test_a_rotation_updates_the_row(store: Store, session: Session) -> None:
    """The row has the next generation, the time and the digest, and comes back with its user."""
    [outcome] = await present(store, Presented(session.id, 0, "digest"), now=START_MS + 5)
    rotated = session._replace(generation=1, rotated_at=START_MS + 5, idempotency_digest="digest")

    assert Outcome(Kind.ROTATE, 1, 0, rotated) == outcome
    assert rotated == await store.find_session(session.id)


async def test_a_rotation_reads_the_claims_anew(store: Store, session: Session) -> None:
    """The user's claims are those that were set last; the session's are those that it began with."""
    began = session._replace(id=new_session_id(), claims='{"auth_time":1,"amr":["pwd"]}')
    await store.create_session(began, verified_hash=HASH)
    told = []
    for generation, claims in enumerate(['{"tenant":"北京"}', '{"tenant":"acme"}', None]):
        assert await store.set_claims(session.user.id, claims)
        [outcome] = await present(store, Presented(began.id, generation))
        assert outcome.session is not None
        told.append((outcome.session.user.claims, outcome.session.claims))

    assert [(claims, began.claims) for claims in ('{"tenant":"北京"}', '{"tenant":"acme"}', None)] == told


async def test_claims_of_an_unknown_user_are_not_set(store: Store) -> None:
    """Nothing is done for a user who does not exist."""
    assert not await store.set_claims("nobody", "{}")


async def test_a_rotation_without_key_clears_the_digest(store: Store, session: Session) -> None:
    """The digest is that of the last rotation only."""
    await present(store, Presented(session.id, 0, "digest"))
    await present(store, Presented(session.id, 1))
    found = await store.find_session(session.id)

    assert found is not None
    assert None is found.idempotency_digest


async def test_outcomes_come_in_the_order_of_the_batch(store: Store, session: Session) -> None:
    """Sessions of one batch do not mix, whatever their order."""
    others = [session._replace(id=new_session_id()) for _ in range(20)]
    for other in others:
        await store.create_session(other, verified_hash=HASH)
    batch = [Presented(other.id, number % 3) for number, other in enumerate(others)]

    outcomes = await present(store, *batch, Presented("unknown", 0))

    assert [*(number % 3 + 1 for number in range(20)), 0] == [outcome.generation for outcome in outcomes]
    assert [other.id for other in others] == [outcome.session.id for outcome in outcomes[:-1] if outcome.session]
    assert Kind.UNKNOWN is outcomes[-1].kind


async def test_one_token_many_times_in_a_batch_advances_once(store: Store, session: Session) -> None:
    """The first rotates, the others race."""
    outcomes = await present(store, *[Presented(session.id, 0)] * 5)

    assert [(Kind.ROTATE, 1), *[(Kind.RACE, 1)] * 4] == kinds(outcomes)


async def test_a_retry_in_the_same_batch_is_a_retry(store: Store, session: Session) -> None:
    """A client that sent its request twice gets one successor twice."""
    outcomes = await present(store, *[Presented(session.id, 0, "digest")] * 2)

    assert [(Kind.ROTATE, 1), (Kind.RETRY, 1)] == kinds(outcomes)


async def test_tokens_of_one_session_take_turns(store: Store, session: Session) -> None:
    """A batch that holds a token and its successor rotates twice, in order."""
    outcomes = await present(store, Presented(session.id, 0), Presented(session.id, 1))

    assert [(Kind.ROTATE, 1), (Kind.ROTATE, 2)] == kinds(outcomes)


async def test_a_reuse_takes_back_the_rest_of_its_batch(store: Store, session: Session) -> None:
    """Whatever else a batch presented of a session that a replay ended is refused as revoked."""
    for generation in range(3):
        await present(store, Presented(session.id, generation))

    outcomes = await present(store, Presented(session.id, 3), Presented(session.id, 0), Presented(session.id, 3))

    assert [Kind.REVOKED, Kind.REUSE, Kind.REVOKED] == [outcome.kind for outcome in outcomes]
    found = await store.find_session(session.id)
    assert found is not None
    assert (START_MS, "reuse") == (found.revoked_at, found.revoked_reason)


async def test_a_reuse_ends_no_other_session(store: Store, session: Session) -> None:
    """Another session of the same batch and the same user rotates."""
    other = session._replace(id=new_session_id())
    await store.create_session(other, verified_hash=HASH)
    for generation in range(2):
        await present(store, Presented(session.id, generation))

    outcomes = await present(store, Presented(other.id, 0), Presented(session.id, 0))

    assert [(Kind.ROTATE, 1), (Kind.REUSE, 0)] == kinds(outcomes)


async def test_a_forgetful_database_catches_up(store: Store, session: Session) -> None:
    """A token from the future moves the row past itself, and the distance says how far it was behind."""
    [outcome] = await present(store, Presented(session.id, 7))

    assert (Kind.CATCH_UP, 8, -7) == (outcome.kind, outcome.generation, outcome.distance)


async def test_the_last_generation_is_never_left(store: Store, session: Session) -> None:
    """A generation that has no successor is refused, and the row stays."""
    [outcome] = await present(store, Presented(session.id, MAX_GENERATION))

    assert Kind.EXPIRED is outcome.kind
    assert session == await store.find_session(session.id)


@pytest.mark.parametrize(
    ("elapsed", "kind"), [(7 * DAY - 1, Kind.ROTATE), (7 * DAY, Kind.EXPIRED), (30 * DAY, Kind.EXPIRED)]
)
async def test_time_runs_out_in_the_database_as_in_the_rule(
    store: Store, session: Session, elapsed: int, kind: Kind
) -> None:
    """The condition of the UPDATE and the rule agree to the millisecond."""
    [outcome] = await present(store, Presented(session.id, 0), now=START_MS + elapsed)

    assert kind is outcome.kind


async def test_a_disabled_user_is_refused_though_the_session_lives(store: Store, session: Session) -> None:
    """A row that slipped past disabling grants nothing."""
    await store.set_disabled("zs", disabled=True, now=START_MS)

    assert [(Kind.REVOKED, 0)] == kinds(await present(store, Presented(session.id, 0)))


@pytest.mark.usefixtures("patient")
async def test_of_many_writers_one_advances(url: str, store: Store, session: Session) -> None:
    """Of 64 presentations of one token over two open stores, in transactions of their own, one rotates."""

    async def decided(each: Store) -> Outcome:
        async def once() -> Outcome | None:
            return (await present(each, Presented(session.id, 0)))[0]

        return await until_free(once, always, within_s=HANGS_S)

    async with open_store(url) as other:
        outcomes = await asyncio.gather(*(decided(each) for each in (store, other) * 32))

    assert [(Kind.RACE, 1)] * 63 + [(Kind.ROTATE, 1)] == sorted(kinds(outcomes))


async def test_a_bound_session_advances_by_a_proof_of_its_key_alone(store: Store, new_session: Session) -> None:
    """Without one, or with another's, nothing of it changes; the rest of the batch goes on."""
    bound, free = new_session._replace(jkt="k" * 43), new_session._replace(id=new_session_id())
    for each in (bound, free):
        await store.create_session(each, verified_hash=HASH)
    presented = [
        Presented(bound.id, 0),
        Presented(free.id, 0, "d" * 64),
        Presented(bound.id, 5, "d" * 64, jkt="x" * 43),
        Presented(bound.id, 0, "e" * 64, jkt="k" * 43),
        Presented(bound.id, 0, jkt="k" * 43),
    ]
    outcomes = await present(store, *presented, now=START_MS + 1)
    found = await store.find_session(bound.id)

    assert [Kind.UNPROVEN, Kind.ROTATE, Kind.UNPROVEN, Kind.ROTATE, Kind.RETRY] == [each.kind for each in outcomes]
    assert found is not None
    assert (1, "e" * 64, "k" * 43, None) == (found.generation, found.idempotency_digest, found.jkt, found.revoked_at)
