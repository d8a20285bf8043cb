import hashlib
from collections import Counter

import pytest

from dualtoken.auth_service.login_guard.known_hashes import cost_of
from dualtoken.auth_service.login_guard.stand_ins import StandIns
from tests.auth_service.foreign_hashes import BCRYPT, DJANGO
from tests.auth_service.running import FAST_HASHER

ARGON2 = FAST_HASHER.hash("x")
KINDS = [ARGON2, DJANGO["pbkdf2_sha256"], DJANGO["pbkdf2_sha256"], BCRYPT["2b"]]
NAMES = [f"nobody{number}" for number in range(2000)]


def mac(message: bytes) -> bytes:
    """Return what only the service can compute."""
    return hashlib.sha256(b"key" + message).digest()


def sample(kinds: list[str], count: int = 1024) -> list[tuple[str, str]]:
    """Return that many users, whose hashes are of each kind in turn."""
    return [(f"id{number}", kinds[number % len(kinds)]) for number in range(count)]


@pytest.fixture
def stand_ins() -> StandIns:
    """A quarter argon2id, a half Django's, a quarter bcrypt."""
    stand_ins = StandIns(lambda: mac)
    stand_ins.learn(sample(KINDS))
    return stand_ins


def shares(stand_ins: StandIns) -> list[float]:
    """Return which part of unknown names costs what each kind costs."""
    costs = Counter(cost_of(stand_ins.hash_for(name) or "") for name in NAMES)
    return [costs[cost_of(kind)] / len(NAMES) for kind in (ARGON2, DJANGO["pbkdf2_sha256"], BCRYPT["2b"])]


def test_unknown_names_cost_what_users_cost(stand_ins: StandIns) -> None:
    """In the same shares: of a name that costs as much as bcrypt, nobody knows whether it exists."""
    assert pytest.approx([0.25, 0.5, 0.25], abs=0.05) == shares(stand_ins)


def test_a_name_costs_the_same_each_time_and_everywhere(stand_ins: StandIns) -> None:
    """However it is typed, whatever the order in which the database told the sample."""
    other = StandIns(lambda: mac)
    other.learn(reversed(sample(KINDS)))

    assert [stand_ins.hash_for(name) for name in NAMES] == [other.hash_for(name) for name in NAMES]
    assert stand_ins.hash_for("Ren\xe9") == stand_ins.hash_for("Rene\u0301")


def test_nobody_without_the_key_knows_what_a_name_costs(stand_ins: StandIns) -> None:
    """Else a name that costs something else would be known to exist."""
    other = StandIns(lambda: lambda message: hashlib.sha256(b"another key" + message).digest())
    other.learn(sample(KINDS))

    assert 0.7 > sum(stand_ins.hash_for(name) == other.hash_for(name) for name in NAMES) / len(NAMES)


def test_an_unknown_name_moves_as_a_user_does(stand_ins: StandIns) -> None:
    """When half of the users have logged in, unknown names cost argon2id as well, and none has moved the other way."""
    before = {name: stand_ins.hash_for(name) for name in NAMES}
    stand_ins.learn((user, ARGON2 if number < 512 else kind) for number, (user, kind) in enumerate(sample(KINDS)))
    after = {name: stand_ins.hash_for(name) for name in NAMES}

    assert {ARGON2} == {after[name] for name in NAMES if after[name] != before[name]}
    assert pytest.approx([0.625, 0.25, 0.125], abs=0.05) == shares(stand_ins)


def test_users_who_come_and_go_change_few_names(stand_ins: StandIns) -> None:
    """Each changes those names that follow it; all others follow whom they followed."""
    before = [stand_ins.hash_for(name) for name in NAMES]
    stand_ins.learn([*sample(KINDS)[10:], *((f"new{number}", DJANGO["bcrypt"]) for number in range(10))])
    changed = sum(old != stand_ins.hash_for(name) for old, name in zip(before, NAMES, strict=True))

    assert 0 < changed < len(NAMES) / 10


def test_without_users_there_is_nobody_to_follow() -> None:
    """An empty table."""
    assert None is StandIns(lambda: mac).hash_for("zs")
