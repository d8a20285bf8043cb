"""What a backend does with the accounts: make, replace, read, change and erase them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..domain.accounts import Change, changed, etag_of
from ..domain.clock import Clock
from ..domain.models import Credentials, RevocationReason, User
from ..domain.own_claims import text_of_claims
from ..errors import InvalidRequest, PreconditionFailed, UnknownUser
from ..events.backend import BackendEvents
from ..events.events import Events
from ..login_guard.hashing import Passwords
from ..login_guard.judge import Judge
from ..login_guard.known_hashes import require_usable
from ..store import Edited, Store

RequireRoom = Callable[[User], None]
"""Raises ValueError where an access token of the user would be too long."""


class Precondition(NamedTuple):
    """What the caller believes of the account (RFC 9110 §13.1): one of *etags*, that it exists, or that it does not.

    None of *etags* says nothing; an empty set matches no account.
    """

    etags: frozenset[str] | None = None
    exists: bool | None = None

    def check(self, account: Credentials | None) -> None:
        """Return if it holds. Raises: PreconditionFailed."""
        if self.exists is not None and self.exists != (account is not None):
            raise PreconditionFailed
        if self.etags is not None and (account is None or etag_of(account) not in self.etags):
            raise PreconditionFailed


class Users:
    """Every call leaves an event. Whatever is refused has changed nothing."""

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        judge: Judge,
        require_room: RequireRoom,
        events: Events,
        audit: BackendEvents,
        clock: Clock,
    ) -> None:
        self._store, self._passwords = store, passwords
        self._judge, self._require_room = judge, require_room
        self._events, self._audit, self._clock = events, audit, clock

    async def read(self, sub: str, ip: str) -> Credentials:
        """Return an account. Raises: UnknownUser, Unavailable."""
        found = await self._store.find_account(sub)
        if found is None:
            raise UnknownUser
        self._audit.read(sub, ip)
        return found

    async def page(self, after: str, limit: int, ip: str) -> list[Credentials]:
        """Return the accounts behind the id *after*. Raises: Unavailable."""
        found = await self._store.list_accounts(after=after, limit=limit)
        self._audit.listed(len(found), ip)
        return found

    async def write(
        self, sub: str, members: Mapping[str, Any], precondition: Precondition, ip: str, *, replaces: bool
    ) -> Edited:
        """Change an account by *members*, as the API names them; make or replace it if the change *replaces*.

        Sessions end in the same transaction where the account is disabled or its password becomes another.

        Raises:
            InvalidRequest: a member cannot be: claims, a password that breaks the rules.
            UnknownUser: there is no account to change.
            UsernameTaken: another account has the name.
            PreconditionFailed: the account is not what the caller believes.
            Busy: too many passwords wait to be hashed.
            Unavailable: the database does not answer.
        """
        now = self._clock()
        # Where none may be there, none is looked at: a stranger who signs up must not learn whether a password fits.
        before = None if precondition.exists is False else await self._store.find_account(sub)
        change = await self._change(sub, members, before, now, replaces=replaces)

        def edit(account: Credentials | None) -> Credentials:
            precondition.check(account)
            if account is None and not replaces:
                raise UnknownUser
            return self._with_room(_changed(account, sub, change, now))

        edited = await self._store.edit_user(sub, edit, now=now)
        if edited.before is None:
            self._audit.created(sub, ip)
        else:
            self._audit.changed(sub, ip, sorted(members))
        if edited.reason:
            self._events.revoked(edited.reason, edited.ended, sub=sub)
        return edited

    async def _change(
        self, sub: str, members: Mapping[str, Any], before: Credentials | None, now: int, *, replaces: bool
    ) -> Change:
        plain = {name: value for name, value in members.items() if name not in {"password", "password_hash"}}
        if "claims" in plain:
            try:
                plain["claims"] = text_of_claims(plain["claims"])
            except ValueError as exc:
                raise InvalidRequest(f"claims: {exc}.") from None
        if members.keys().isdisjoint({"password", "password_hash"}):
            return Change(plain, replaces)
        if members.get("password_hash") is not None:
            try:
                require_usable(members["password_hash"])
            except ValueError as exc:
                raise InvalidRequest(f"password_hash: {exc}.") from None
        change = Change(plain, replaces, sets_password=True, password_hash=members.get("password_hash"))
        if members.get("password") is None:
            return change
        return change._replace(password_hash=await self._hash(members["password"], before, sub, change, now))

    async def _hash(self, password: str, before: Credentials | None, sub: str, change: Change, now: int) -> str:
        # The same password once more is no change: a backend may repeat its call, and no session ends by that.
        stored = before.password_hash if before else None
        if stored is not None and await self._passwords.verify(stored, password):
            return stored
        user = _changed(before, sub, change, now).user
        if problem := await self._judge.problem_of(password, user):
            raise InvalidRequest(f"password: {problem}.")
        return await self._passwords.hash(password)

    def _with_room(self, account: Credentials) -> Credentials:
        try:
            self._require_room(account.user)
        except ValueError as exc:
            raise InvalidRequest(f"claims: {exc}.") from None
        return account

    async def erase(self, sub: str, precondition: Precondition, ip: str) -> None:
        """Erase an account and all that tells of it; its sessions end.

        Raises:
            UnknownUser: there is none.
            PreconditionFailed: it is not what the caller believes.
            Unavailable: the database does not answer.
        """
        ended = await self._store.erase_user(sub, precondition.check, now=self._clock())
        if ended is None:
            raise UnknownUser
        self._audit.erased(sub, ip)
        self._events.revoked(RevocationReason.USER_ERASED, ended)


def _changed(account: Credentials | None, sub: str, change: Change, now: int) -> Credentials:
    try:
        return changed(account, sub, change, now)
    except ValueError as exc:
        raise InvalidRequest(f"{exc}.") from None
