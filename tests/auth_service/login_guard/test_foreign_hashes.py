import pytest

from dualtoken.auth_service.login_guard.hashing import Passwords
from dualtoken.auth_service.login_guard.known_hashes import cost_of, require_usable
from tests.auth_service.foreign_hashes import DJANGO, FOREIGN, FOREIGN_PASSWORD, LONG, LONG_BCRYPT
from tests.auth_service.running import FAST_HASHER

EVERY = pytest.mark.parametrize("password_hash", FOREIGN.values(), ids=FOREIGN.keys())


@pytest.fixture
def passwords() -> Passwords:
    """A pool of one thread."""
    return Passwords(FAST_HASHER, cores=1)


@EVERY
async def test_a_hash_made_elsewhere_verifies_its_password_alone(passwords: Passwords, password_hash: str) -> None:
    """Django's, Werkzeug's, bcrypt's and passlib's own: the right password verifies, another does not."""
    assert await passwords.verify(password_hash, FOREIGN_PASSWORD)
    assert not await passwords.verify(password_hash, FOREIGN_PASSWORD + "x")
    assert not await passwords.verify(password_hash, "")


@EVERY
def test_a_hash_made_elsewhere_is_taken(password_hash: str) -> None:
    """It may be set as ``password_hash``, by a backend or an import."""
    require_usable(password_hash)


@EVERY
def test_a_hash_made_elsewhere_is_due_for_renewal(passwords: Passwords, password_hash: str) -> None:
    """The next log-in replaces it by argon2id; one that is argon2id and costs as much stays, whoever made it."""
    assert passwords.needs_rehash(password_hash) is not (password_hash == DJANGO["argon2"])


@EVERY
async def test_a_broken_hash_matches_nothing(passwords: Passwords, password_hash: str) -> None:
    """Whatever was cut off is a wrong password, not an error."""
    for length in range(1, len(password_hash)):
        assert not await passwords.verify(password_hash[:length], FOREIGN_PASSWORD)


@EVERY
def test_a_hash_that_was_cut_off_is_not_taken(password_hash: str) -> None:
    """As by a column that was too short: its owner could never log in. An argon2 may be whole by chance."""
    for cut_off in (2,) if "$argon2" in password_hash else range(1, 10):
        with pytest.raises(ValueError, match=r"^is not a hash"):
            require_usable(password_hash[:-cut_off])


async def test_bcrypt_looks_at_72_bytes(passwords: Passwords) -> None:
    """As what made the hash did: a longer password still logs in."""
    assert await passwords.verify(LONG_BCRYPT, LONG)
    assert not await passwords.verify(LONG_BCRYPT, "x" * 71)


@pytest.mark.parametrize("password_hash", ["$2b$04$" + "." * 53, *FOREIGN.values()])
@pytest.mark.parametrize("password", ["\x00", "a\x00b", "🔑" * 256])
async def test_any_text_may_be_tried(passwords: Passwords, password_hash: str, password: str) -> None:
    """NUL and what bcrypt cannot hash are wrong passwords, not errors."""
    assert not await passwords.verify(password_hash, password)


@pytest.mark.parametrize(
    "password_hash",
    [
        "",
        "hunter2",
        "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
        "!unusable",
        "$2x$04$9.3IgB4FJEN5gZ7DnP3KqO2fwHgxYb2J6r4CPscGxP0wnYkFlwpLu",
        "$2b$15$9DPRX4t1suXRTI8dJPcRHO0y5/R1JpiJoGxsGVU5WEYxzh5fbFzmu",
        "$2b$03$9DPRX4t1suXRTI8dJPcRHO0y5/R1JpiJoGxsGVU5WEYxzh5fbFzmu",
        "$2b$04$9DPRX4t1suXRTI8dJPcRHO0y5/R1JpiJoGxsGVU5WEYxzh5fbFzmu\n",
        "pbkdf2_sha256$0$xvvvwH0fOfGWxSWNSrmJ1K$XLKVLc05vXtpK2RPSnHLBenOiIOEvZ9C4uSbJ0/dq1Q=",
        "pbkdf2_sha256$3000001$xvvvwH0fOfGWxSWNSrmJ1K$XLKVLc05vXtpK2RPSnHLBenOiIOEvZ9C4uSbJ0/dq1Q=",
        "pbkdf2:md5:1000$b9YXCbfq5nGt1ZS6$b3fd7ee95f8cfd1db691c31ceed4999a8ae4cbbf",
        "scrypt:1000:8:1$4FukFCo0OZWM7i2H$" + "0" * 128,
        "scrypt:524288:8:1$4FukFCo0OZWM7i2H$" + "0" * 128,
        "$scrypt$ln=22,r=8,p=1$hZBSqvU+Z4xRCsG4NyZkLA$P/461yNGS3KOxnxnthREVKsd9J1juK7yySHTIC+EtUs",
        "$scrypt$ln=99,r=8,p=1$hZBSqvU+Z4xRCsG4NyZkLA$P/461yNGS3KOxnxnthREVKsd9J1juK7yySHTIC+EtUs",
    ],
)
def test_a_hash_of_no_known_kind_or_of_any_cost_is_refused(password_hash: str) -> None:
    """Fast digests, broken texts, and parameters by which a log-in would take seconds or hundreds of MiB."""
    with pytest.raises(ValueError, match=r"^(is not a hash|has parameters)"):
        require_usable(password_hash)


def test_hashes_that_take_one_time_have_one_cost() -> None:
    """What differs by the salt alone is one; each kind and each set of parameters is another."""
    assert cost_of(FAST_HASHER.hash("a")) == cost_of(FAST_HASHER.hash("b"))
    # Five are bcrypt, and two are passlib's of it.
    assert len(FOREIGN) - 5 == len({cost_of(password_hash) for password_hash in FOREIGN.values()})
    assert () == cost_of("hunter2")
