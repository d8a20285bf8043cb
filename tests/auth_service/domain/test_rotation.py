"""The rotation rule, row by row of its table, and over random histories against a plain reading of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualtoken.auth_service.domain.models import Presented, Session, User
from dualtoken.auth_service.domain.rotation import (
    ADVANCING,
    GRANTED,
    MAX_GENERATION,
    Kind,
    Outcome,
    RotationPolicy,
    classify,
)

NOW = 1_800_000_000_000
POLICY = RotationPolicy(refresh_ttl=7 * 86_400_000, grace=10_000)
USER = User("u-1", "zs", "zs@example.org", "read write")
SESSION = Session(
    id="s",
    user=USER,
    generation=5,
    rotated_at=NOW - 1000,
    idempotency_digest=None,
    created_at=NOW - 60_000,
    expires_at=NOW + 30 * 86_400_000,
)


def present(generation: int, digest: str | None = None, now: int = NOW, /, **changes: object) -> Outcome:
    """Present a token to SESSION, changed as said."""
    return classify(SESSION._replace(**changes), Presented("s", generation, digest), now, POLICY)


def test_the_current_token_rotates() -> None:
    """With g = G: rotate to g + 1."""
    outcome = present(5)

    assert (Kind.ROTATE, 6, 0) == (outcome.kind, outcome.generation, outcome.distance)


@pytest.mark.parametrize("ahead", [1, 2, 1000])
def test_a_token_from_the_future_catches_up(ahead: int) -> None:
    """With g > G: the database forgot; rotate to g + 1."""
    outcome = present(5 + ahead)

    assert (Kind.CATCH_UP, 6 + ahead, -ahead) == (outcome.kind, outcome.generation, outcome.distance)


@pytest.mark.parametrize("later_ms", [0, 10_001, 6 * 86_400_000])
def test_the_predecessor_with_its_key_gets_the_successor_again(later_ms: int) -> None:
    """With g = G - 1 with the key of the rotation: the same token G, at any later time."""
    outcome = present(4, "d", NOW + later_ms, idempotency_digest="d")

    assert (Kind.RETRY, 5) == (outcome.kind, outcome.generation)


@pytest.mark.parametrize("age_ms", [0, 1, 10_000])
def test_the_predecessor_without_keys_races_within_grace(age_ms: int) -> None:
    """With g = G - 1, no key on either side, within grace: the same token G."""
    outcome = present(4, rotated_at=NOW - age_ms)

    assert (Kind.RACE, 5, 1) == (outcome.kind, outcome.generation, outcome.distance)


def test_grace_is_a_distance() -> None:
    """A replica whose clock is a little behind the one that rotated is no thief; far behind is."""
    assert Kind.RACE is present(4, rotated_at=NOW + 10_000).kind
    assert Kind.REUSE is present(4, rotated_at=NOW + 10_001).kind


@pytest.mark.parametrize("generation", [0, 3, 4, 5, 6, 500])
@pytest.mark.parametrize("proven", [None, "another key"])
def test_a_bound_session_without_its_proof_is_left_alone(generation: int, proven: str | None) -> None:
    """At any generation: whoever stole the token, and its Idempotency-Key, neither gains nor ends anything."""
    bound = SESSION._replace(jkt="key", idempotency_digest="d")
    outcome = classify(bound, Presented("s", generation, "d", jkt=proven), NOW, POLICY)

    assert Kind.UNPROVEN is outcome.kind


@pytest.mark.parametrize("digest", [None, "d", "e"])
@pytest.mark.parametrize("later_ms", [0, 10_001, 6 * 86_400_000])
def test_the_predecessor_of_a_bound_session_is_a_retry(later_ms: int, digest: str | None) -> None:
    """The same key proves the same client: token G again at any later time, with any Idempotency-Key or none."""
    bound = SESSION._replace(jkt="key", idempotency_digest="d")
    outcome = classify(bound, Presented("s", 4, digest, jkt="key"), NOW + later_ms, POLICY)

    assert (Kind.RETRY, 5) == (outcome.kind, outcome.generation)


def test_a_thief_who_has_the_key_as_well_is_found_by_rotation() -> None:
    """Anything older than the predecessor is reuse, whoever proves the key."""
    assert Kind.REUSE is classify(SESSION._replace(jkt="key"), Presented("s", 3, jkt="key"), NOW, POLICY).kind


def test_a_proof_costs_an_unbound_session_nothing() -> None:
    """A client may send one to a session that was opened without."""
    assert Kind.ROTATE is classify(SESSION, Presented("s", 5, jkt="key"), NOW, POLICY).kind
    assert Kind.REUSE is classify(SESSION, Presented("s", 3, jkt="key"), NOW, POLICY).kind


@pytest.mark.parametrize(("stored", "sent"), [("d", "e"), ("d", None), (None, "d")])
def test_a_missing_or_different_key_is_reuse(stored: str | None, sent: str | None) -> None:
    """With g = G - 1 with keys that do not match: reuse, grace or not."""
    assert Kind.REUSE is present(4, sent, idempotency_digest=stored).kind


@pytest.mark.parametrize("digest", [None, "d"])
@pytest.mark.parametrize("generation", [0, 3])
def test_anything_older_is_reuse(generation: int, digest: str | None) -> None:
    """With g < G - 1: reuse, whatever key comes with it; the distance says how old."""
    outcome = present(generation, digest, idempotency_digest=digest)

    assert (Kind.REUSE, 5 - generation) == (outcome.kind, outcome.distance)


@pytest.mark.parametrize(
    ("generation", "digest", "kind"),
    [(0, None, Kind.ABANDONED), (4, "e", Kind.ABANDONED), (4, "d", Kind.RETRY), (5, "e", Kind.ROTATE)],
)
def test_what_looks_like_reuse_ends_nothing_once_the_asker_has_left(
    generation: int, digest: str | None, kind: Kind
) -> None:
    """With any other g < G whose asker has hung up: nothing happens; in every other row it makes no difference."""
    left_behind = Presented("s", generation, digest, is_awaited=lambda: False)
    outcome = classify(SESSION._replace(idempotency_digest="d"), left_behind, NOW, POLICY)

    assert kind is outcome.kind
    assert Kind.ABANDONED not in GRANTED


@pytest.mark.parametrize("generation", [0, 4, 5, 6])
@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"revoked_at": 1}, Kind.REVOKED),
        ({"user": USER._replace(disabled_at=1)}, Kind.REVOKED),
        ({"expires_at": NOW}, Kind.EXPIRED),
        ({"rotated_at": NOW - POLICY.refresh_ttl}, Kind.EXPIRED),
        ({"revoked_at": 1, "expires_at": NOW}, Kind.REVOKED),
    ],
)
def test_a_session_that_ended_grants_nothing(generation: int, changes: dict[str, object], kind: Kind) -> None:
    """Revoked, disabled, or expired by either time: refused with that reason, at every generation."""
    assert kind is present(generation, **changes).kind


def test_an_unknown_session_grants_nothing() -> None:
    """A token whose session is not there is unknown."""
    assert Kind.UNKNOWN is classify(None, Presented("s", 0), NOW, POLICY).kind


@pytest.mark.parametrize("changes", [{"expires_at": NOW + 1}, {"rotated_at": NOW - POLICY.refresh_ttl + 1}])
def test_the_last_millisecond_counts(changes: dict[str, int]) -> None:
    """A millisecond before its end, a session is alive."""
    assert Kind.ROTATE is present(5, **changes).kind


def test_the_last_generation_has_no_successor() -> None:
    """A generation that would not fit into a token is never granted."""
    assert Kind.EXPIRED is present(MAX_GENERATION, generation=MAX_GENERATION).kind
    assert MAX_GENERATION == present(MAX_GENERATION - 1, generation=MAX_GENERATION - 1).generation


@given(
    stored=st.integers(0, 6),
    presented=st.integers(0, 8),
    stored_digest=st.sampled_from([None, "a", "b"]),
    sent_digest=st.sampled_from([None, "a", "b"]),
    age_ms=st.integers(-20_000, 8 * 86_400_000),
)
def test_no_presentation_opens_a_second_branch(
    stored: int, presented: int, stored_digest: str | None, sent_digest: str | None, age_ms: int
) -> None:
    """Whatever is granted is either the successor that exists, or one further on: never a sibling."""
    session = SESSION._replace(generation=stored, rotated_at=NOW - age_ms, idempotency_digest=stored_digest)

    outcome = classify(session, Presented("s", presented, sent_digest), NOW, POLICY)

    if outcome.kind in ADVANCING:
        assert outcome.generation == presented + 1 > stored
    elif outcome.kind in GRANTED:
        assert outcome.generation == stored == presented + 1
        assert stored_digest == sent_digest
    else:
        assert outcome.kind in {Kind.REUSE, Kind.EXPIRED}
        assert outcome.kind is Kind.EXPIRED or presented < stored
