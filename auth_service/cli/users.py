"""``users add | list | disable | enable | set-… | delete``, and import and export. Safe while the service runs."""

import math
import shlex
import sys
import uuid
from typing import Annotated, Any

import typer
from pydantic import BaseModel, TypeAdapter, ValidationError
from rich.text import Text

from ..domain.accounts import Change, changed
from ..domain.clock import wall_clock
from ..domain.models import Credentials, RevocationReason, User
from ..domain.names import Email, NewName, NewPassword, formed
from ..domain.own_claims import claims_of, read_object, text_of_claims
from ..domain.password_rules import password_rule
from ..domain.scopes import Scope
from ..errors import StartupError
from ..login_guard.hashing import HASHER
from ..settings import load_settings
from ..store import Store
from ..tokens.access import require_room
from . import user_files
from .log import log_revoked, operator_log
from .output import AsJson, show, shown, table
from .store import now_of, possible_name, require_user, with_store

cli = typer.Typer(
    no_args_is_help=True, help="Manage accounts. Passwords come from a prompt or one line of standard input."
)
_PAGE = 1000
cli.command("import")(user_files.import_users)
cli.command("export")(user_files.export_users)


class Account(BaseModel):
    """What an account must look like."""

    username: NewName
    email: Annotated[Email, formed(".+", "must be an e-mail address")]
    scope: Scope
    password: NewPassword


@cli.command("add")
def add(
    name: str,
    email: Annotated[str, typer.Option()],
    scope: Annotated[str, typer.Option(help="Space-delimited.")] = "read write",
    as_json: AsJson = False,
) -> None:
    """Add a user."""
    password = _read_password()
    try:
        account = Account(username=name, email=email, scope=scope, password=password)
    except ValidationError as exc:
        raise _problem("", exc) from None
    user = User(id=uuid.uuid4().hex, username=account.username, email=account.email, scope=account.scope)
    _require_good_password(account.password, user)
    password_hash = HASHER.hash(account.password)
    if not with_store(lambda store: store.add_user(user, password_hash, now=wall_clock()), makes_it=True):
        raise StartupError(f"user {user.username} exists already")
    operator_log().info("user.added", sub=user.id, scope=user.scope)
    show(_shown(user), f"user {name} added", as_json=as_json)


@cli.command("list")
def list_(
    after: Annotated[str, typer.Option(metavar="NAME", help="Only names after this one.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many; default: all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show users, by name."""
    first = possible_name(after) if after else ""
    users, more = with_store(lambda store: _listed(store, first, limit))
    cells = ((user.username, user.email, user.scope, user.id, _state(user)) for user in users)
    found = table(["name", "email", "scope", "id", "state"], cells, whole={"name", "id"})
    show([_shown(user) for user in users], found, as_json=as_json)
    if more:
        typer.echo(f"there are more: --after {shlex.quote(shown(users[-1].username))}", err=True)


async def _listed(store: Store, after: str, limit: int | None) -> tuple[list[User], bool]:
    """Return users, and whether there are more; no transaction is longer than a page."""
    users: list[User] = []
    wanted = math.inf if limit is None else limit
    while True:
        page = await store.list_users(after=users[-1].username if users else after, limit=_PAGE)
        users += page
        if len(page) < _PAGE or len(users) > wanted:
            return users[:limit], len(users) > wanted


def _state(user: User) -> Text:
    return Text("enabled") if user.disabled_at is None else Text("disabled", "red")


@cli.command("disable")
def disable(name: str, as_json: AsJson = False) -> None:
    """Disable a user and revoke all of the user's sessions, at once."""
    user, ended = _set_disabled(name, disabled=True)
    operator_log().warning("user.disabled", sub=user.id)
    log_revoked(RevocationReason.USER_DISABLED, ended, sub=user.id)
    show(_shown(user), f"user {name} disabled; all sessions revoked", as_json=as_json)


@cli.command("enable")
def enable(name: str, as_json: AsJson = False) -> None:
    """Enable a user again."""
    user, _ended = _set_disabled(name, disabled=False)
    operator_log().info("user.enabled", sub=user.id)
    show(_shown(user), f"user {name} enabled", as_json=as_json)


@cli.command("set-claims")
def set_claims(
    name: str,
    claims: Annotated[str, typer.Argument(metavar="JSON", help="An object; {} removes all claims.")],
    as_json: AsJson = False,
) -> None:
    """Replace the claims in a user's future access tokens; sessions continue."""
    name = possible_name(name)
    try:
        text = text_of_claims(read_object(claims))
    except ValueError as exc:
        raise StartupError(f"claims: {exc}") from None

    async def work(store: Store) -> User | None:
        found = await store.find_credentials(name)
        if found is None:
            return None
        user = found.user._replace(claims=text)
        _require_room(user)
        return user if await store.set_claims(user.id, text) else None

    user = require_user(with_store(work), name)
    operator_log().info("claims.set", sub=user.id)
    show(_shown(user), f"claims of {name} set: they count from each session's next refresh", as_json=as_json)


@cli.command("set-scope")
def set_scope(
    name: str,
    scope: Annotated[str, typer.Argument(help="Space-delimited; '' removes all.")],
    as_json: AsJson = False,
) -> None:
    """Replace the scope of a user's future access tokens; sessions continue."""
    user = _changed(name, "scope", scope, Scope)
    operator_log().info("scope.set", sub=user.id, scope=user.scope)
    show(_shown(user), f"scope of {name} set: it counts from each session's next refresh", as_json=as_json)


@cli.command("set-email")
def set_email(name: str, email: Annotated[str, typer.Argument(help="'' for none.")], as_json: AsJson = False) -> None:
    """Replace the e-mail address in a user's future access tokens; sessions continue."""
    user = _changed(name, "email", email, Email)
    operator_log().info("email.set", sub=user.id)
    show(_shown(user), f"email of {name} set: it counts from each session's next refresh", as_json=as_json)


@cli.command("delete")
def delete(
    name: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase a user and all personal data, and revoke all of the user's sessions, at once."""
    name = possible_name(name)
    if not yes:
        _confirm(f"Erase user {name}?")

    async def work(store: Store) -> tuple[str, int] | None:
        found = await store.find_credentials(name)
        if found is None:
            return None
        ended = await store.erase_user(found.user.id, lambda _: None, now=await now_of(store))
        return None if ended is None else (found.user.id, ended)

    sub, ended = require_user(with_store(work), name)
    operator_log().warning("user.erased", sub=sub)
    log_revoked(RevocationReason.USER_ERASED, ended)
    show({"sub": sub, "revoked": ended}, f"user {name} erased; all sessions revoked", as_json=as_json)


@cli.command("set-password")
def set_password(name: str, as_json: AsJson = False) -> None:
    """Set a password and revoke all of the user's sessions, at once."""
    name = possible_name(name)
    try:
        password = TypeAdapter(NewPassword).validate_python(_read_password())
    except ValidationError as exc:
        raise _problem("password", exc) from None

    async def work(store: Store) -> tuple[User, int] | None:
        found = await store.find_credentials(name)
        if found is None:
            return None
        _require_good_password(password, found.user)
        password_hash = HASHER.hash(password)
        now = await now_of(store)
        ended = await store.set_password(found.user.id, password_hash, replacing=None, keep=None, now=now)
        return None if ended is None else (found.user, ended)

    user, ended = require_user(with_store(work), name)
    operator_log().info("password.set", sub=user.id)
    log_revoked(RevocationReason.PASSWORD_CHANGED, ended, sub=user.id)
    show(_shown(user), f"password of {name} set; all sessions revoked", as_json=as_json)


def _shown(user: User) -> dict[str, Any]:
    return {**user._asdict(), "claims": claims_of(user.claims)}


def _require_room(user: User) -> None:
    settings = load_settings()
    try:
        require_room(user, issuer=settings.issuer, audience=settings.audiences)
    except ValueError as exc:
        raise StartupError(f"claims: {exc}") from None


def _changed(name: str, member: str, text: str, kind: Any) -> User:
    """Return the user after the change of one member. Raises: StartupError: there is none, or it cannot be."""
    name = possible_name(name)
    try:
        change = Change({member: TypeAdapter(kind).validate_python(text)}, replaces=False)
    except ValidationError as exc:
        raise _problem(member, exc) from None
    now = wall_clock()

    def edit(account: Credentials | None) -> Credentials:
        if account is None:
            raise StartupError(f"no user {name}")
        after = changed(account, account.user.id, change, now)
        _require_room(after.user)
        return after

    async def work(store: Store) -> User | None:
        found = await store.find_credentials(name)
        return found and (await store.edit_user(found.user.id, edit, now=now)).after.user

    return require_user(with_store(work), name)


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise StartupError("no terminal to confirm at: use --yes")
    typer.confirm(question, abort=True)


def _set_disabled(name: str, *, disabled: bool) -> tuple[User, int]:
    name = possible_name(name)

    async def work(store: Store) -> tuple[User, int] | None:
        found = await store.find_credentials(name)
        if found is None:
            return None
        ended = await store.set_disabled(found.user.username, disabled=disabled, now=await now_of(store))
        changed = await store.find_user(found.user.id)
        return None if changed is None or ended is None else (changed, ended)

    return require_user(with_store(work), name)


def _problem(name: str, exc: ValidationError) -> StartupError:
    error = exc.errors(include_input=False, include_url=False, include_context=False)[0]
    return StartupError(f"{name or error['loc'][0]}: {error['msg'].removeprefix('Value error, ')}")


def _require_good_password(password: str, user: User) -> None:
    settings = load_settings()
    if problem := password_rule(settings.password_min_length, settings.issuer)(password, user):
        raise StartupError(f"password: {problem}")


def _read_password() -> str:
    """Read it from a prompt, or as one line of input: an argument would stand in the process list."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    try:
        # In the C locale, bytes beyond ASCII are read as surrogates; PowerShell's pipes begin with a mark.
        password = sys.stdin.readline().encode(errors="surrogateescape").decode("utf-8-sig").rstrip("\r\n")
    except UnicodeError:
        raise StartupError("password: not UTF-8 text") from None
    return password
