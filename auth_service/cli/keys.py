"""``keys init | rotate | promote | list | retire``: the JWK Set files."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer

from ..domain import jwk
from ..domain.clock import wall_clock
from ..domain.key_life import KeyLife
from ..errors import StartupError
from ..keys import jwk_file
from ..settings import load_settings
from .log import operator_log
from .output import AsJson, show, table

cli = typer.Typer(no_args_is_help=True, help="Manage the JWK Set files: the first key signs, all verify.")
Directory = Annotated[
    Path | None, typer.Option("--dir", help="Use this folder instead of AUTH_ACCESS_KEYS and AUTH_REFRESH_KEYS.")
]
Algorithm = Annotated[str, typer.Option(help=f"Algorithm of the access key: {', '.join(jwk.ALGORITHMS)}.")]
ServiceSecret = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Also write a secret for AUTH_ and RESOURCE_SERVICE_SECRET_FILE.")
]
Purpose = Literal["access", "refresh"]
Only = Annotated[Purpose | None, typer.Option(help="Only one of the two files.")]
VerifyOnly = Annotated[bool, typer.Option("--verify-only", help="Put the key last: it signs once it is promoted.")]
Force = Annotated[
    bool, typer.Option("--force", help="Retire it even if its tokens still live: after a theft of the key.")
]
_DAY_S = 86_400
ACCESS, REFRESH = "access.jwks.json", "refresh.jwks.json"


def key_files(directory: Path | None) -> dict[str, Path]:
    """Return where the access keys and the refresh keys are."""
    if directory is not None:
        return {"access": directory / ACCESS, "refresh": directory / REFRESH}
    settings = load_settings()
    return {"access": settings.access_keys, "refresh": settings.refresh_keys}


@cli.command("init")
def init(
    directory: Directory = None,
    algorithm: Algorithm = "HS256",
    service_secret: ServiceSecret = None,
    as_json: AsJson = False,
) -> None:
    """Write both key files; an existing one is left alone."""
    if algorithm not in jwk.ALGORITHMS:
        raise StartupError(f"--algorithm must be one of {', '.join(jwk.ALGORITHMS)}")
    # Refresh tokens are MACs that only this service checks: their key is always a shared one.
    algorithms = {"access": algorithm, "refresh": "HS256"}
    creations: list[tuple[Path, Callable[[Path], bool]]] = [
        (path, partial(jwk_file.create, algorithm=algorithms[purpose]))
        for purpose, path in key_files(directory).items()
    ]
    if service_secret is not None:
        creations.append((service_secret, jwk_file.create_secret))
    rows = [{"file": str(path), "written": _created(path, create)} for path, create in creations]
    lines = [f"{row['file']}: {'written' if row['written'] else 'exists, left alone'}" for row in rows]
    show(rows, "\n".join(lines), as_json=as_json)


def _created(path: Path, create: Callable[[Path], bool]) -> bool:
    try:
        return create(path)
    except OSError as exc:
        raise StartupError(f"{path}: cannot write: {exc.strerror}: name another place with --dir") from None


@cli.command("rotate")
def rotate(
    directory: Directory = None, only: Only = None, verify_only: VerifyOnly = False, as_json: AsJson = False
) -> None:
    """Put a new key first and keep the old ones: issued tokens stay valid."""
    paths = [path for purpose, path in key_files(directory).items() if only in {None, purpose}]
    for path in paths:  # before any is changed
        jwk_file.read_key_file(path)
    rows = [{"file": str(path), "kid": jwk_file.rotate(path, signs=not verify_only)} for path in paths]
    log = operator_log()
    for row in rows:
        if verify_only:
            log.info("keys.added", **row)
        else:
            log.info("keys.rotated", **row)
    does = "verifies" if verify_only else "signs"
    lines = [f"{row['file']}: key {row['kid']} {does} from now on" for row in rows]
    show(rows, "\n".join(lines), as_json=as_json)


@cli.command("promote")
def promote(kid: str, directory: Directory = None, as_json: AsJson = False) -> None:
    """Put a key first: it signs from now on; the others verify."""
    path = _find(kid, directory).path
    jwk_file.promote(path, kid)
    operator_log().info("keys.promoted", file=str(path), kid=kid)
    show({"file": str(path), "kid": kid}, f"{path}: key {kid} signs from now on", as_json=as_json)


@cli.command("list")
def list_(directory: Directory = None, as_json: AsJson = False) -> None:
    """Show the keys, their age and until when their tokens live; never a secret."""
    found = list(_found(directory))
    rows = [{"file": str(each.path), "kid": each.kid, "alg": each.alg, **each.life._asdict()} for each in found]
    cells = ((str(each.path), each.kid, each.alg, _age(each.life), _use(each)) for each in found)
    show(rows, table(["file", "kid", "algorithm", "age", "use"], cells, whole={"kid"}), as_json=as_json)


@cli.command("retire")
def retire(kid: str, directory: Directory = None, force: Force = False, as_json: AsJson = False) -> None:
    """Remove a key once its tokens have expired: it stops verifying within seconds."""
    key = _find(kid, directory)
    if not force and not key.life.signs and _is_needed(key.life):
        raise StartupError(f"{key.path}: key {kid} {_use(key)}: wait, or end them with --force")
    jwk_file.retire(key.path, kid)
    operator_log().info("keys.retired", file=str(key.path), kid=kid)
    show({"file": str(key.path), "kid": kid}, f"{key.path}: key {kid} retired", as_json=as_json)


class _Key(NamedTuple):
    purpose: str
    path: Path
    kid: str
    alg: str
    life: KeyLife


def _found(directory: Path | None) -> Iterator[_Key]:
    settings = load_settings()
    lifetimes_s = {"access": settings.access_ttl_s, "refresh": settings.refresh_ttl_s}
    for purpose, path in key_files(directory).items():
        for key, life in jwk_file.lives(path, lifetimes_s[purpose]):
            yield _Key(purpose, path, key["kid"], key["alg"], life)


def _find(kid: str, directory: Path | None) -> _Key:
    found = next((key for key in _found(directory) if key.kid == kid), None)
    if found is None:
        raise StartupError(f"no key {kid}")
    return found


def _is_needed(life: KeyLife) -> bool:
    return life.needed_until is None or life.needed_until > wall_clock() // 1000


def _age(life: KeyLife) -> str:
    if life.made_at is None:
        return "unknown"
    return f"{max(0, wall_clock() // 1000 - life.made_at) // _DAY_S} d"


def _use(key: _Key) -> str:
    if key.life.needed_until is None:
        return "signs and verifies"
    if key.life.needed_until == 0:
        return "has signed nothing yet"
    if not _is_needed(key.life):
        return "nothing that it signed is alive"
    until = datetime.fromtimestamp(key.life.needed_until, UTC)
    return f"verifies {key.purpose} tokens until {until:%Y-%m-%d %H:%M} UTC"
