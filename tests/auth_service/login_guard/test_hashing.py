import asyncio

import pytest
from argon2 import PasswordHasher, Type, extract_parameters

from dualtoken.auth_service.login_guard.hashing import HASHER, Passwords
from tests.auth_service.running import FAST_HASHER, CountingHasher, GatedHasher


@pytest.fixture
def passwords() -> Passwords:
    """A pool of one thread."""
    return Passwords(FAST_HASHER, cores=1)


async def test_a_hash_verifies_its_password_alone(passwords: Passwords) -> None:
    """The right password verifies, another does not."""
    hashed = await passwords.hash("right")

    assert await passwords.verify(hashed, "right")
    assert not await passwords.verify(hashed, "wrong")


async def test_hashes_are_salted(passwords: Passwords) -> None:
    """One password has a different hash each time."""
    assert await passwords.hash("same") != await passwords.hash("same")


@pytest.mark.parametrize("password", ["", "\x00", "pass\x00word", "пароль", "🔑" * 256])
async def test_any_text_is_a_password(passwords: Passwords, password: str) -> None:
    """NUL ends no password, and any script will do."""
    hashed = await passwords.hash(password)

    assert await passwords.verify(hashed, password)
    assert not await passwords.verify(hashed, password + "x")
    assert not await passwords.verify(await passwords.hash("pass"), "pass\x00word")


async def test_no_hash_is_verified_all_the_same() -> None:
    """For a user who does not exist a hash of the same cost is verified, and never matches."""
    hasher = CountingHasher()
    passwords = Passwords(hasher, cores=1)

    assert not await passwords.verify(None, "a password that nobody has")
    assert 1 == hasher.verified


@pytest.mark.parametrize("stored", ["", "plain text", "$2b$12$abcdefghijklmnopqrstuv", "$argon2id$v=19$broken"])
async def test_a_stored_hash_that_is_none_matches_nothing(passwords: Passwords, stored: str) -> None:
    """Garbage in the database is a wrong password, not an error."""
    assert not await passwords.verify(stored, stored)


def test_production_parameters_are_those_of_rfc_9106() -> None:
    """Argon2id with 64 MiB and three passes, RFC 9106 §4's second choice, or more."""
    parameters = extract_parameters(HASHER.hash("x"))

    assert Type.ID is parameters.type
    assert parameters.memory_cost >= 65_536
    assert parameters.time_cost >= 3


@pytest.mark.parametrize(
    ("time_cost", "memory_cost", "due"), [(2, 16, False), (1, 16, True), (2, 8, True), (3, 16, False), (2, 32, False)]
)
def test_weaker_hashes_are_due_for_renewal(time_cost: int, memory_cost: int, due: bool) -> None:
    """A hash of yesterday's parameters is recognised; one of tomorrow's is left alone."""
    passwords = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1), cores=1)
    hashed = PasswordHasher(time_cost=time_cost, memory_cost=memory_cost, parallelism=1).hash("x")

    assert due == passwords.needs_rehash(hashed)


def test_another_kind_of_argon2_is_due_for_renewal(passwords: Passwords) -> None:
    """RFC 9106 asks for argon2id."""
    assert passwords.needs_rehash(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, type=Type.I).hash("x"))


async def test_the_event_loop_turns_while_a_hash_is_computed() -> None:
    """Hashing happens on other threads."""
    hasher = GatedHasher()
    passwords = Passwords(hasher, cores=1)
    verifying = asyncio.create_task(passwords.verify(hasher.hash("x"), "x"))
    await asyncio.sleep(0.01)
    assert not verifying.done()
    hasher.gate.set()

    assert await verifying
