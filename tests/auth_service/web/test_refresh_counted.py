"""Each presentation of a refresh token leaves one event and one count, whatever it came to."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from dualtoken.auth_service.domain.rotation import Kind
from dualtoken.auth_service.errors import InvalidDpopProof, InvalidGrant
from dualtoken.auth_service.web.app_keys import SESSIONS
from tests.auth_service.running import Auth

DAY = 86_400


@dataclass(frozen=True)
class Case:
    """What is presented: which of the chain's tokens (0 is the first), with which key, after what has happened.

    ``keys`` are those of the rotations that made the chain; ``distance`` is the label.
    """

    kind: Kind
    distance: str
    keys: tuple[str | None, ...]
    presented: int
    key: str | None = "key"
    statement: str = ""
    seconds: float = 0
    is_awaited: bool = True

    def __str__(self) -> str:
        return f"{self.kind} {self.distance}"


_FORGET = "UPDATE sessions SET generation = generation - {}"
_REVOKE = "UPDATE sessions SET revoked_at = 1, revoked_reason = 'logout'"
_BIND = "UPDATE sessions SET jkt = 'the thumbprint of a key'"
_OVER = 7 * DAY
_ONE, _TWO, _THREE, _FIVE = (tuple(f"key-{n}" for n in range(count)) for count in (1, 2, 3, 5))
CASES = [
    Case(Kind.ROTATE, "0", (), 0),
    Case(Kind.CATCH_UP, "behind", _ONE, 1, statement=_FORGET.format(1)),
    Case(Kind.CATCH_UP, "behind", _FIVE, 5, statement=_FORGET.format(4)),
    Case(Kind.RETRY, "1", _ONE, 0, key="key-0"),
    Case(Kind.RACE, "1", (None,), 0, key=None),
    Case(Kind.REUSE, "1", _ONE, 0),
    Case(Kind.REUSE, "2", _TWO, 0),
    Case(Kind.REUSE, "3+", _THREE, 0),
    Case(Kind.REUSE, "3+", _FIVE, 0),
    *(Case(Kind.ABANDONED, label, keys, 0, is_awaited=False) for label, keys in zip("12", (_ONE, _TWO), strict=True)),
    Case(Kind.ABANDONED, "3+", _THREE, 0, is_awaited=False),
    *(
        Case(kind, label, keys, presented, statement=statement, seconds=seconds)
        for kind, ends, seconds in ((Kind.REVOKED, _REVOKE, 0), (Kind.EXPIRED, "", _OVER))
        for label, keys, presented, statement in (
            ("0", (), 0, ends),
            ("1", _ONE, 0, ends),
            ("2", _TWO, 0, ends),
            ("3+", _THREE, 0, ends),
        )
    ),
    Case(Kind.REVOKED, "behind", _ONE, 1, statement=f"{_REVOKE}, generation = 0"),
    Case(Kind.EXPIRED, "behind", _ONE, 1, statement=_FORGET.format(1), seconds=_OVER),
    Case(Kind.UNKNOWN, "0", _ONE, 0, statement="DELETE FROM sessions"),
    Case(Kind.UNPROVEN, "0", (), 0, statement=_BIND),
    Case(Kind.UNPROVEN, "1", _ONE, 0, statement=_BIND),
    Case(Kind.UNPROVEN, "behind", _ONE, 1, statement=f"{_BIND}, generation = 0"),
]
_LEVELS = {Kind.ROTATE: "debug", Kind.CATCH_UP: "warning", Kind.REUSE: "warning", Kind.UNPROVEN: "warning"}


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_each_outcome_is_one_event_and_one_count(auth: Auth, case: Case) -> None:
    """One line in the log and one count, by outcome and distance, for each presentation; and nothing else."""
    sessions = auth.client.server.app[SESSIONS]
    chain = [(await auth.log_in())["refresh_token"]]
    for key in case.keys:
        chain.append(await auth.rotate(chain[-1], key))
    if case.statement:
        auth.sql(case.statement)
    auth.clock.advance(case.seconds)
    before = await _counts(auth)
    with capture_logs() as lines:
        await _settled(lambda: sessions.refresh(chain[case.presented], case.key, is_awaited=lambda: case.is_awaited))
    after = await _counts(auth)
    expected = (f"rotation.{case.kind}", _LEVELS.get(case.kind, "info"))

    assert [expected] == [(line["event"], line["log_level"]) for line in lines]
    assert {(case.kind.value, case.distance): 1} == after - before


async def test_what_was_never_issued_is_one_event_and_one_count(auth: Auth) -> None:
    """What is no token of this service is counted too, as malformed."""
    before = await _counts(auth)
    with capture_logs() as lines:
        await _settled(lambda: auth.client.server.app[SESSIONS].refresh("x", None))
    after = await _counts(auth)

    assert [("rotation.malformed", "info")] == [(line["event"], line["log_level"]) for line in lines]
    assert {("malformed", "0"): 1} == after - before


async def _settled(refresh: Callable[[], Awaitable[object]]) -> None:
    """Refresh, be it refused."""
    try:
        await refresh()
    except (InvalidGrant, InvalidDpopProof):
        return


async def _counts(auth: Auth) -> Counter[tuple[str, str]]:
    auth.clock.advance(1)  # what was told counts for a second
    text = await (await auth.client.get("/metrics")).text()
    return Counter(
        {
            (sample.labels["outcome"], sample.labels["distance"]): int(sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "auth_rotations_total"
        }
    )


def test_every_outcome_is_a_case() -> None:
    """No kind is left out, and no distance."""
    assert set(Kind) == {case.kind for case in CASES}
    assert {"behind", "0", "1", "2", "3+"} == {case.distance for case in CASES}
