"""``sessions list | revoke``: show and end users' sessions. Safe while the service runs."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from ..domain.models import RevocationReason, Session, is_session_id
from ..domain.rotation import RotationPolicy
from ..errors import StartupError
from ..settings import load_settings
from ..store import Store
from .log import log_revoked
from .output import AsJson, show, table
from .store import now_of, possible_name, require_user, with_store

cli = typer.Typer(
    no_args_is_help=True, help="Manage live sessions. A revocation reaches every verifier within a second."
)


@cli.command("list")
def list_(name: str, as_json: AsJson = False) -> None:
    """Show the live sessions of a user, the last used first."""
    name = possible_name(name)
    policy = RotationPolicy(refresh_ttl=load_settings().refresh_ttl_s * 1000, grace=0)

    async def work(store: Store) -> list[Session] | None:
        found = await store.find_credentials(name)
        if found is None:
            return None
        return await store.list_sessions(found.user.id, now=await now_of(store), policy=policy)

    rows = [_shown(session) for session in require_user(with_store(work), name)]
    cells = ((row["id"], *_times(row), row["ip"], row["user_agent"]) for row in rows)
    show(rows, table(["id", "began", "last seen", "address", "user agent"], cells, whole={"id"}), as_json=as_json)


# One id in 64 begins with "-", and is no option.
@cli.command("revoke", context_settings={"ignore_unknown_options": True})
def revoke(
    session_id: Annotated[str | None, typer.Argument(metavar="[ID]")] = None,
    user: Annotated[str | None, typer.Option(metavar="NAME", help="All sessions of that user.")] = None,
    as_json: AsJson = False,
) -> None:
    """End one session, or all sessions of a user."""
    if (session_id is None) == (user is None):
        raise StartupError("give the id of a session or --user, not both")
    count = _revoke_user(user) if user is not None else _revoke_one(str(session_id))
    show({"revoked": count}, f"{count} revoked", as_json=as_json)


def _revoke_one(session_id: str) -> int:
    async def work(store: Store) -> bool:
        return await store.revoke(session_id, RevocationReason.OPERATOR, now=await now_of(store))

    if not is_session_id(session_id) or not with_store(work):
        raise StartupError(f"no live session {session_id!a}")
    log_revoked(RevocationReason.OPERATOR, 1, sid=session_id)
    return 1


def _revoke_user(name: str) -> int:
    name = possible_name(name)

    async def work(store: Store) -> int | None:
        found = await store.find_credentials(name)
        if found is None:
            return None
        count = await store.revoke_user(found.user.id, RevocationReason.OPERATOR, now=await now_of(store))
        log_revoked(RevocationReason.OPERATOR, count, sub=found.user.id)
        return count

    return require_user(with_store(work), name)


def _times(row: dict[str, Any]) -> Iterator[str]:
    return (str(datetime.fromtimestamp(row[key], UTC))[:19] for key in ("created_at", "last_seen_at"))


def _shown(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "created_at": session.created_at // 1000,
        "last_seen_at": session.rotated_at // 1000,
        "expires_at": session.expires_at // 1000,
        "ip": session.client.ip,
        "user_agent": session.client.user_agent,
    }
