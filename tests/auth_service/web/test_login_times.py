"""What a refused log-in costs tells of no name whether it exists: counted in verifications, not in time."""

import pytest

from dualtoken.auth_service.domain.models import Credentials, User
from dualtoken.auth_service.login_guard import foreign_hashes
from dualtoken.auth_service.settings import Settings
from dualtoken.auth_service.store.sql import open_store
from tests.auth_service.conftest import StartAuth
from tests.auth_service.foreign_hashes import BCRYPT, DJANGO, FOREIGN_PASSWORD
from tests.auth_service.running import FAST_HASHER, START_MS, Auth

HASHES = [FAST_HASHER.hash("x"), DJANGO["pbkdf2_sha256"], BCRYPT["2b"]]
NAMES = 240


@pytest.fixture
async def moved_in(settings: Settings) -> None:
    """Users with three kinds of hashes, a third each."""
    async with open_store(settings.database_url.get_secret_value()) as store:
        users = [User(f"user{number}", f"user{number}", "", "") for number in range(900)]
        accounts = [Credentials(user, HASHES[number % 3]) for number, user in enumerate(users)]
        await store.add_accounts(accounts, now=START_MS)


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each foreign hash that was verified."""
    seen: list[str] = []
    verify = foreign_hashes.verify

    def remember(password_hash: str, password: str) -> bool:
        seen.append(password_hash)
        return verify(password_hash, password)

    monkeypatch.setattr(foreign_hashes, "verify", remember)
    return seen


async def shares(auth: Auth, verified: list[str], names: list[str]) -> tuple[float, float, float]:
    """Return which part of refused log-ins verified argon2id, Django's and bcrypt's."""
    verified.clear()
    before = auth.hasher.verified
    for name in names:
        assert 401 == (await auth.post("/login", {"username": name, "password": "wrong"})).status
    django, bcrypt = (verified.count(password_hash) / len(names) for password_hash in HASHES[1:])
    return (auth.hasher.verified - before) / len(names), django, bcrypt


@pytest.mark.usefixtures("moved_in")
async def test_unknown_names_cost_what_users_cost(start_auth: StartAuth, verified: list[str]) -> None:
    """A third argon2id, a third PBKDF2, a third bcrypt, for those who exist and for those who do not."""
    auth = await start_auth(login_failures=10_000)
    known = await shares(auth, verified, [f"user{number}" for number in range(NAMES)])
    unknown = await shares(auth, verified, [f"nobody{number}" for number in range(NAMES)])

    assert (1 / 3, 1 / 3, 1 / 3) == pytest.approx(known)
    assert known == pytest.approx(unknown, abs=0.15)
    assert 1 == pytest.approx(sum(unknown))


@pytest.mark.usefixtures("moved_in")
async def test_a_name_costs_the_same_each_time(start_auth: StartAuth, verified: list[str]) -> None:
    """Also after a restart, which knows nothing but the table and the keys; a name is no dice."""
    seen = []
    for _ in range(2):
        auth = await start_auth(login_failures=10_000)
        await shares(auth, verified, [f"nobody{number}" for number in range(30)])
        seen.append(list(verified))

    assert seen[0] == seen[1] != []


@pytest.mark.usefixtures("moved_in")
async def test_nobody_logs_in_by_the_hash_that_stands_in(start_auth: StartAuth, verified: list[str]) -> None:
    """The right password of a hash that is verified for a name without a user opens nothing."""
    auth = await start_auth(login_failures=10_000)
    names = [f"nobody{number}" for number in range(30)]
    answers = [(await auth.post("/login", {"username": name, "password": FOREIGN_PASSWORD})).status for name in names]

    assert [401] * 30 == answers
    assert verified


@pytest.mark.usefixtures("moved_in")
async def test_a_disabled_user_costs_what_it_cost(start_auth: StartAuth, verified: list[str]) -> None:
    """Its own hash is verified, whatever the password."""
    auth = await start_auth(login_failures=10_000)
    auth.sql("UPDATE users SET disabled_at = 1 WHERE id IN ('user1', 'user2')")
    statuses = [
        (await auth.post("/login", {"username": name, "password": FOREIGN_PASSWORD})).status
        for name in ("user1", "user2", "user4")
    ]

    assert [401, 401, 200] == statuses
    assert [*HASHES[1:], HASHES[1]] == verified
