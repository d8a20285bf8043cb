"""Passwords: argon2id (RFC 9106), computed in the lanes for log-ins; hashes of other kinds are verified alike."""

from collections.abc import Callable
from functools import partial

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from ..domain.names import normal_password
from . import foreign_hashes
from .cpu_quota import share_of_cores
from .lanes import Lanes
from .shares import Asker

# RFC 9106 §4, the second recommended option; one lane: concurrency comes from the pool, not from within one hash.
HASHER = PasswordHasher(parallelism=1)

StandIn = Callable[[str], str | None]


class Passwords:
    """Hashes and verifies. Raises ``Busy`` instead of queueing without bound."""

    def __init__(
        self, hasher: PasswordHasher = HASHER, *, cores: int | None = None, lanes: Lanes | None = None
    ) -> None:
        """Use *hasher* in *lanes*, or in those for so many *cores*."""
        self._hasher = hasher
        self.lanes = lanes or Lanes(cores or share_of_cores(1))
        # Verified in place of the hash of a user who does not exist, so that both answers take one time.
        self._dummy = self._hasher.hash("a password that nobody has")
        self.stand_in: StandIn = lambda _name: None
        """Returns what to verify instead for a name, where users' hashes take other times; see ``stand_ins.py``."""

    async def hash(self, password: str, asker: Asker | None = None) -> str:
        """Return the argon2id hash in PHC string format. Raises: Busy."""
        return await self.lanes.run(partial(self._hasher.hash, normal_password(password)), asker)

    async def verify(
        self, password_hash: str | None, password: str, asker: Asker | None = None, *, name: str = ""
    ) -> bool:
        """Whether the password is right; with no hash: False, in the time that a user of that *name* could take.

        Raises: Busy.
        """
        verified = password_hash or self.stand_in(name) or self._dummy
        # Older releases hashed passwords as they were typed. Python's part is done here: a thread of low priority would
        # hold the interpreter's lock for as long as a busy host lets it starve.
        readings = tuple(dict.fromkeys((normal_password(password), password)))
        matches = await self.lanes.run(partial(self._matches, verified, readings), asker)
        return matches and password_hash is not None

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether the hash costs an attacker less than one of today's, or is of another kind.

        One that costs more is left alone: processes of an older release must not undo what newer ones did.
        """
        try:
            made, today = extract_parameters(_phc(password_hash)), self._hasher
        except InvalidHashError:  # of another kind
            return True
        return made.type is not Type.ID or made.time_cost * made.memory_cost < today.time_cost * today.memory_cost

    def _matches(self, password_hash: str, readings: tuple[str, ...]) -> bool:
        return any(self._is_hash_of(reading, password_hash) for reading in readings)

    def _is_hash_of(self, password: str, password_hash: str) -> bool:
        phc = _phc(password_hash)
        if not phc.startswith("$argon2"):
            return foreign_hashes.verify(password_hash, password)
        try:
            return self._hasher.verify(phc, password)
        except (VerificationError, InvalidHashError):
            return False

    def close(self) -> None:
        """Stop computing; what still waits is dropped."""
        self.lanes.close()


def _phc(password_hash: str) -> str:
    """Return the PHC string: Django puts the word ``argon2`` before it."""
    return password_hash.removeprefix("argon2")
