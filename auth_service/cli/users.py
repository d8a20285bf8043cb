"""``users add | list | disable | enable | set-password``. May run while the service runs."""

import sys
import uuid
from typing import Annotated

import typer
from pydantic import BaseModel, StringConstraints, TypeAdapter, ValidationError
from rich.table import Table
from rich.text import Text

from auth_service.cli.log import log_revoked, operator_log
from auth_service.cli.output import AsJson, show
from auth_service.cli.store import possible_name, require_user, with_store
from auth_service.errors import StartupError
from auth_service.models import RevocationReason, User
from auth_service.password_rules import password_rule
from auth_service.passwords import HASHER
from auth_service.sessions import wall_clock
from auth_service.settings import load_settings
from auth_service.store import Store
from auth_service.web.login import Name, NewPassword

cli = typer.Typer(no_args_is_help=True, help="Accounts. Passwords are read from a prompt or as one line of input.")


class Account(BaseModel):
    """What an account must look like; ``scope`` as RFC 6749 §3.3."""

    username: Name
    email: Annotated[str, StringConstraints(min_length=3, max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]
    # Verifiers accept no longer one.
    scope: Annotated[
        str, StringConstraints(max_length=1024, pattern=r"^([\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*)?$")
    ]
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
    if not with_store(lambda store: store.add_user(user, HASHER.hash(account.password), now=wall_clock())):
        raise StartupError(f"user {name} exists already")
    operator_log().info("user.added", sub=user.id, scope=user.scope)
    show(user._asdict(), f"user {name} added", as_json=as_json)


@cli.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show all users."""
    users = with_store(lambda store: store.list_users())
    table = Table("name", "email", "scope", "id", "state")
    for user in users:
        state = Text("enabled") if user.disabled_at is None else Text("disabled", "red")
        # Text, because a name in brackets is no markup.
        table.add_row(Text(user.username), Text(user.email), Text(user.scope), user.id, state)
    show([user._asdict() for user in users], table, as_json=as_json)


@cli.command("disable")
def disable(name: str, as_json: AsJson = False) -> None:
    """Disable a user and revoke all of the user's sessions, at once."""
    user, ended = _set_disabled(name, disabled=True)
    operator_log().warning("user.disabled", sub=user.id)
    log_revoked(RevocationReason.USER_DISABLED, ended, sub=user.id)
    show(user._asdict(), f"user {name} disabled; all sessions revoked", as_json=as_json)


@cli.command("enable")
def enable(name: str, as_json: AsJson = False) -> None:
    """Enable a user again."""
    user, _ended = _set_disabled(name, disabled=False)
    operator_log().info("user.enabled", sub=user.id)
    show(user._asdict(), f"user {name} enabled", as_json=as_json)


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
        ended = await store.set_password(found.user.id, password_hash, replacing=None, keep=None, now=wall_clock())
        return None if ended is None else (found.user, ended)

    user, ended = require_user(with_store(work), name)
    operator_log().info("password.set", sub=user.id)
    log_revoked(RevocationReason.PASSWORD_CHANGED, ended, sub=user.id)
    show(user._asdict(), f"password of {name} set; all sessions revoked", as_json=as_json)


def _set_disabled(name: str, *, disabled: bool) -> tuple[User, int]:
    name = possible_name(name)

    async def work(store: Store) -> tuple[User, int] | None:
        ended = await store.set_disabled(name, disabled=disabled, now=wall_clock())
        found = await store.find_credentials(name)
        return None if found is None or ended is None else (found.user, ended)

    return require_user(with_store(work), name)


def _problem(name: str, exc: ValidationError) -> StartupError:
    error = exc.errors(include_input=False, include_url=False, include_context=False)[0]
    return StartupError(f"{name or error['loc'][0]}: {error['msg']}")


def _require_good_password(password: str, user: User) -> None:
    settings = load_settings()
    if problem := password_rule(settings.password_min_length, settings.issuer)(password, user):
        raise StartupError(f"password: {problem}")


def _read_password() -> str:
    """Read it from a prompt, or as one line of input: an argument would stand in the process list."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")
