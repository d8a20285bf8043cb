"""The soak's own judges: a number that is wrong by one is found, and so is memory that grows."""

import mmap
from collections import Counter

import psutil
import pytest

from tests.system.counters import Samples, auth_disagreements, resource_disagreements
from tests.system.ledger import Ledger
from tests.system.memory import Memory

_MIB = 1024 * 1024
_REQUESTS = "auth_request_duration_seconds_count"


def refresh_ledger() -> Ledger:
    """One refresh that was granted, one answered again, a theft, and what followed it."""
    ledger = Ledger()
    for body in (b'{"refresh_token": "b"}', b'{"refresh_token": "b"}'):
        ledger.heard("POST /refresh", 200, "", body)
    ledger.heard("POST /refresh", 400, "", b'{"reason": "reused"}')
    return ledger


def sample(name: str, number: int, **labels: str) -> Samples:
    """Return one number as ``/metrics`` shows it."""
    return {(name, frozenset(labels.items())): number}


def refresh_samples(
    *, granted: int = 2, rotated: int = 1, retried: int = 1, reused: int = 1, revoked: int = 1
) -> Samples:
    """What an auth service shows that saw the same, unless told otherwise."""
    return {
        **sample(_REQUESTS, granted, method="POST", route="/refresh", status="200"),
        **sample(_REQUESTS, 1, method="POST", route="/refresh", status="400"),
        **sample("auth_rotations_total", rotated, outcome="rotated", distance="0"),
        **sample("auth_rotations_total", retried, outcome="retried", distance="1"),
        **sample("auth_rotations_total", reused, outcome="reused", distance="2"),
        **sample("auth_revocations_total", revoked, reason="reuse"),
    }


def test_equal_counts_agree() -> None:
    """What callers saw and the service counted is the same."""
    assert [] == auth_disagreements(refresh_ledger(), refresh_samples(), Counter(reuse=1))


@pytest.mark.parametrize("wrong", ["granted", "rotated", "retried", "reused", "revoked"])
@pytest.mark.parametrize("by", [-1, 1])
def test_a_count_that_is_wrong_by_one_is_found(wrong: str, by: int) -> None:
    """One too many or one too few, in any of the service's counters."""
    right = {"granted": 2, "rotated": 1, "retried": 1, "reused": 1, "revoked": 1}
    samples = refresh_samples(**{wrong: right[wrong] + by})

    assert auth_disagreements(refresh_ledger(), samples, Counter(reuse=1))


@pytest.mark.parametrize(("counted", "agrees"), [(1, False), (2, True), (3, True), (4, False)])
def test_a_request_that_was_hung_up_on_may_count_or_not(*, counted: int, agrees: bool) -> None:
    """It makes room for one more, and not for two, nor for one less."""
    ledger = Ledger()
    for _ in range(2):
        ledger.heard("POST /logout", 200, "", b"{}")
    ledger.unanswered(b"POST /logout HTTP/1.1\r\nHost: a\r\n")
    samples = sample(_REQUESTS, counted, method="POST", route="/logout", status="200")

    assert agrees == (auth_disagreements(ledger, samples, Counter()) == [])


def test_a_withheld_answer_is_counted_as_one_that_was_heard() -> None:
    """The proxy read it: status, challenge and body."""
    ledger = Ledger()
    ledger.dropped(
        b"POST /refresh HTTP/1.1\r\nHost: a\r\n\r\n",
        b'HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\r\n{"reason": "revoked"}',
    )
    ledger.dropped(
        b"GET /home?x=1 HTTP/1.1\r\n\r\n",
        b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer error_description="expired"\r\n\r\n{}',
    )

    assert {("POST /refresh", 400): 1, ("GET /home", 401): 1} == ledger.answers
    assert {"revoked": 1} == ledger.refusals
    assert 1 == ledger.verdicts["expired"]
    assert 2 == ledger.withheld


@pytest.mark.parametrize(("accepted", "agrees"), [(0, False), (1, True), (2, False)])
def test_a_resource_service_must_count_what_its_callers_saw(*, accepted: int, agrees: bool) -> None:
    """Each outcome of authentication by itself."""
    ledger = Ledger()
    ledger.heard("GET /home", 200, "", b"")
    samples = sample("resource_authentications_total", accepted, outcome="accepted")

    assert agrees == (resource_disagreements(ledger, samples) == [])


@pytest.mark.parametrize(
    ("mib", "level"),
    [
        ([50, 90, 100, 100, 100, 100, 100, 100], True),
        ([50, 50, 100, 100, 150, 100, 100, 103], True),
        ([100, 100, 100, 102, 106, 108, 112, 116], False),
    ],
    ids=["warming up", "a peak", "a leak"],
)
def test_memory_is_level_once_it_is_warm(*, mib: list[int], level: bool) -> None:
    """The first quarter of the time may grow, a peak may pass; what grows to the end is found."""
    memory = Memory("auth", [number * _MIB for number in mib])

    assert level == memory.is_level()


def test_more_hashes_at_once_than_cores_are_found() -> None:
    """Nobody computes more password hashes at once than there are cores, but for one that would starve."""
    memory = Memory("auth", [_MIB] * 4, hashing=(psutil.cpu_count() + 2) * 64 * _MIB)

    assert not memory.is_level()


def test_memory_in_password_hashes_is_told_apart() -> None:
    """What one takes is no growth, and is not hidden either."""
    memory, process = Memory("auth"), psutil.Process()

    for _ in range(2):  # the first look takes memory of its own
        memory.look(process)
    with mmap.mmap(-1, 64 * _MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as mapped:
        mapped.write(bytes([1]) * len(mapped))
        memory.look(process)

    assert memory.hashing >= 64 * _MIB
    assert memory.resident[2] - memory.resident[1] < _MIB
