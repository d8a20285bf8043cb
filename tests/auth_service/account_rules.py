"""Rules for the state machine of rotation: a backend changes, disables and erases users at any moment.

What is minted afterwards tells what the account is now, and what ends sessions has ended them when the call returns.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import jwt
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from dualtoken.auth_service.domain.accounts import Change, changed, reason_to_end
from dualtoken.auth_service.domain.jwk import new_jwk
from dualtoken.auth_service.domain.models import Credentials, Presented, RevocationReason, Session, User, new_session_id
from dualtoken.auth_service.domain.own_claims import text_of_claims
from dualtoken.auth_service.domain.rotation import GRANTED, Outcome
from dualtoken.auth_service.tokens.access import AccessTokens
from tests.auth_service.machine_runs import Sql
from tests.auth_service.rotation_machine import CLIENTS, Move, Sessions
from tests.auth_service.rotation_model import SESSION_TTL, Backend, Rule

ACCESS = AccessTokens([new_jwk("HS256")], issuer="https://auth.example", audience="https://api.example", ttl_s=60)
LIMIT = "read write"
"""Of every other session: beyond it, the user's scope does not count there."""
NOTHING: Mapping[str, Any] = {"email": "", "scope": "", "claims": {}, "disabled": False}
AT_FIRST = {**NOTHING, "scope": "read write admin", "claims": {"tenant": "first"}, "password_hash": "hash0"}
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "email": st.sampled_from(["", "a@example.org", "b@example.org"]),
        "scope": st.sampled_from(["", "read", "write admin", "read write admin"]),
        "claims": st.sampled_from([{}, {"tenant": "acme"}, {"tenant": "globex", "roles": ["admin"]}]),
        "disabled": st.sampled_from([False, False, True]),
        "password_hash": st.sampled_from(["hash0", "hash0", "hash1"]),
    },
)


class AccountBackend(Backend, Protocol):
    """What is under test, with a user for each session."""

    def change(self, sub: str, change: Change, now: int) -> None: ...
    def erase(self, sub: str, now: int) -> None: ...


def change_of(members: Mapping[str, Any], *, replaces: bool) -> Change:
    """Return the change that a call with these members asks for."""
    plain = {name: value for name, value in members.items() if name != "password_hash"}
    if "claims" in plain:
        plain["claims"] = text_of_claims(plain["claims"])
    return Change(plain, replaces, "password_hash" in members, members.get("password_hash"))


def new_session(now: int, jkt: str | None, number: int) -> Session:
    """Return a session of a user of its own, whose account is as at first."""
    sub = f"u{new_session_id()}"
    user = changed(None, sub, change_of(AT_FIRST, replaces=True), now).user
    limit = LIMIT if number % 2 else None
    return Session(new_session_id(), user, 0, now, None, now, now + SESSION_TTL, jkt=jkt, limit=limit)


class RuleWithAccounts(Rule):
    """The rule alone, beside accounts in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.accounts: dict[str, Credentials] = {}

    def open(self, now: int, jkt: str | None) -> Session:
        session = new_session(now, jkt, len(self._rows))
        self.accounts[session.user.id] = Credentials(session.user, AT_FIRST["password_hash"])
        self._rows[session.id] = session
        return session

    def change(self, sub: str, change: Change, now: int) -> None:
        before = self.accounts.get(sub)
        after = self.accounts[sub] = changed(before, sub, change, now)
        self._of(sub, after.user, reason_to_end(before, after), now)

    def erase(self, sub: str, now: int) -> None:
        if self.accounts.pop(sub, None):
            self._of(sub, User("", "", "", ""), RevocationReason.USER_ERASED, now)

    def _of(self, sub: str, user: User, reason: RevocationReason | None, now: int) -> None:
        for row in [row for row in self._rows.values() if row.user.id == sub]:
            ends = {"revoked_at": now, "revoked_reason": reason} if reason and row.revoked_at is None else {}
            self._rows[row.id] = row._replace(user=user, **ends)


class SqlWithAccounts(Sql):
    """A real store, with accounts as a backend writes them."""

    def open(self, now: int, jkt: str | None) -> Session:
        session = new_session(now, jkt, self.rows())
        self.change(session.user.id, change_of(AT_FIRST, replaces=True), now)
        assert [] == self._run(self._store.create_session(session, verified_hash=AT_FIRST["password_hash"]))
        return session

    def change(self, sub: str, change: Change, now: int) -> None:
        self._run(self._store.edit_user(sub, lambda before: changed(before, sub, change, now), now=now))

    def erase(self, sub: str, now: int) -> None:
        self._run(self._store.erase_user(sub, lambda _: None, now=now))


class SessionsOfAccounts(Sessions):
    """Log-ins of as many users, whom a backend changes."""

    backend: AccountBackend

    @initialize()
    def log_in(self) -> None:
        super().log_in()
        self.accounts: list[dict[str, Any] | None] = [dict(AT_FIRST) for _ in self.logins]
        self.erased: set[int] = set()

    @rule(which=st.integers(0, len(CLIENTS) - 1), members=MEMBERS, replaces=st.booleans())
    def account_changes(self, which: int, members: dict[str, Any], replaces: bool) -> None:
        login, before = self.logins[which], self.accounts[which]
        if before is None and not replaces:
            return  # 404: there is nobody to change
        self.backend.change(login.session.user.id, change_of(members, replaces=replaces), self.now)
        # A password of which nothing was said stays.
        kept = {name: value for name, value in (before or {}).items() if not replaces or name == "password_hash"}
        after = self.accounts[which] = {**NOTHING, "password_hash": None, **kept, **members}
        if before and (
            (after["disabled"] and not before["disabled"]) or after["password_hash"] != before["password_hash"]
        ):
            login.over = True
        self._forget_what_was()

    @rule(which=st.integers(0, len(CLIENTS) - 1))
    def account_is_erased(self, which: int) -> None:
        self.backend.erase(self.logins[which].session.user.id, self.now)
        self.accounts[which], self.logins[which].over = None, True
        self.erased.add(which)
        self._forget_what_was()

    def _forget_what_was(self) -> None:
        # A failover that forgot the change as well would be one that came before it.
        self.snapshots = [[self.backend.row(login.session.id) for login in self.logins]]

    @invariant()
    def what_ends_sessions_has_ended_them(self) -> None:
        for login, account in zip(self.logins, self.accounts, strict=True):
            if account is None or account["disabled"]:
                row = self.backend.row(login.session.id)
                assert row.revoked_at is not None, "a disabled or erased user has no live session"

    def _check_promises(self, move: Move, item: Presented, outcome: Outcome, excused: bool) -> None:
        super()._check_promises(move, item, outcome, excused)
        if outcome.kind in GRANTED:
            assert outcome.session is not None
            self._check_told(move, outcome.session)

    def _check_told(self, move: Move, session: Session) -> None:
        login, account = self.logins[move.login], self.accounts[move.login]
        assert account is not None, "no token of an erased user is minted"
        assert not account["disabled"], "no token of a disabled user is minted"
        told = jwt.decode(ACCESS.mint(session, self.now), options={"verify_signature": False})
        limit = (login.session.limit or account["scope"]).split()
        expected = {
            "sub": login.session.user.id,
            "scope": " ".join(word for word in account["scope"].split() if word in limit),
            **({"email": account["email"]} if account["email"] else {}),
            **account["claims"],
        }
        mine = {name: told[name] for name in ("sub", "scope", "email", "tenant", "roles") if name in told}
        assert expected == mine, "an access token tells what the account is now"

    def _check_binding(self, move: Move, item: Presented, outcome: Outcome, distance: int) -> None:
        # Of an erased user's session nothing is left but its end, not even the key that it was bound to.
        if move.login not in self.erased:
            super()._check_binding(move, item, outcome, distance)
