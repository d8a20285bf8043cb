"""How a backend's change modifies an account. Pure; the store applies it in one transaction."""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic_core import to_json

from .models import Credentials, RevocationReason, User
from .names import name_of
from .own_claims import claims_of

NOTHING = {"email": "", "scope": "", "claims": None, "disabled": False}
"""What a member of an account is where nothing was said. Without a ``username`` it is called as its ``sub``."""


class Change(NamedTuple):
    """What to make of an account.

    ``members`` are those that were given, under the names of the API, each valid; ``claims`` is the text of
    ``own_claims.py``. ``password_hash`` counts only if ``sets_password``; None takes the password away.
    """

    members: Mapping[str, Any]
    replaces: bool
    sets_password: bool = False
    password_hash: str | None = None


def changed(before: Credentials | None, sub: str, change: Change, now: int) -> Credentials:
    """Return the account after *change*. A password that the change does not speak of stays.

    Args:
        before: the account, None if there is none.
        sub: its id.
        change: of all members if it replaces, else of those that it names.
        now: milliseconds since the epoch.

    Raises:
        ValueError: there is no ``username``, and the sub cannot be one.
    """
    kept = {} if before is None or change.replaces else members_of(before)
    members = {"username": None, **NOTHING, **kept, **change.members}
    since = before.user.disabled_at if before else None
    user = User(
        id=sub,
        username=members["username"] or name_of(sub),
        email=members["email"],
        scope=members["scope"],
        disabled_at=(since or now) if members["disabled"] else None,
        claims=members["claims"],
    )
    if before is not None and (not change.sets_password or before.came_with(change.password_hash)):
        return before._replace(user=user)
    return Credentials(user, change.password_hash)


def members_of(account: Credentials) -> dict[str, Any]:
    """Return the members of an account, as ``Change.members`` has them."""
    user = account.user
    told = {"username": user.username, "email": user.email, "scope": user.scope, "claims": user.claims}
    return {**told, "disabled": user.disabled_at is not None}


def reason_to_end(before: Credentials | None, after: Credentials) -> RevocationReason | None:
    """Say why the sessions of an account end when it is changed, or None: they go on."""
    if before is None:
        return None
    if after.user.disabled_at is not None and before.user.disabled_at is None:
        return RevocationReason.USER_DISABLED
    if before.password_hash is not None and after.password_hash != before.password_hash:
        return RevocationReason.PASSWORD_CHANGED
    return None


def shown(account: Credentials) -> dict[str, Any]:
    """Return an account as its backend reads it."""
    claims = claims_of(account.user.claims)
    has_password = account.password_hash is not None
    return {"sub": account.user.id, **members_of(account), "claims": claims, "has_password": has_password}


def etag_of(account: Credentials) -> str:
    """Return what is another text when anything of the account is other, the password included (RFC 9110 §8.8.3)."""
    return hashlib.sha256(to_json((account.user, account.password_hash))).hexdigest()[:32]
