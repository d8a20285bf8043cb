"""``keys init | rotate | promote | list | retire``: the JWK Set files."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from auth_service import keys
from auth_service.cli.log import operator_log
from auth_service.cli.output import AsJson, show
from auth_service.errors import StartupError
from auth_service.settings import load_settings

cli = typer.Typer(no_args_is_help=True, help="JWK Set files: the first key signs, all verify.")
Directory = Annotated[Path | None, typer.Option("--dir", help="Instead of AUTH_ACCESS_KEYS and AUTH_REFRESH_KEYS.")]
Algorithm = Annotated[str, typer.Option(help=f"Of the access key: {', '.join(keys.ALGORITHMS)}.")]
ServiceSecret = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write one also for AUTH_ and RESOURCE_SERVICE_SECRET_FILE.")
]
Purpose = Literal["access", "refresh"]
Only = Annotated[Purpose | None, typer.Option(help="One of the two files.")]
VerifyOnly = Annotated[bool, typer.Option("--verify-only", help="Put it last: it signs once it is promoted.")]
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
    """Write both key files; one that exists is left alone."""
    if algorithm not in keys.ALGORITHMS:
        raise StartupError(f"--algorithm must be one of {', '.join(keys.ALGORITHMS)}")
    # Refresh tokens are MACs that only this service checks: their key is always a shared one.
    algorithms = {"access": algorithm, "refresh": "HS256"}
    creations: list[tuple[Path, Callable[[Path], bool]]] = [
        (path, partial(keys.create, algorithm=algorithms[purpose])) for purpose, path in key_files(directory).items()
    ]
    if service_secret is not None:
        creations.append((service_secret, keys.create_secret))
    rows = [{"file": str(path), "written": _created(path, create)} for path, create in creations]
    lines = [f"{row['file']}: {'written' if row['written'] else 'exists, left alone'}" for row in rows]
    show(rows, "\n".join(lines), as_json=as_json)


def _created(path: Path, create: Callable[[Path], bool]) -> bool:
    try:
        return create(path)
    except OSError as exc:
        raise StartupError(f"{path}: cannot write: {exc.strerror}") from None


@cli.command("rotate")
def rotate(
    directory: Directory = None, only: Only = None, verify_only: VerifyOnly = False, as_json: AsJson = False
) -> None:
    """Put a new key first and keep the old ones: nothing issued before stops working."""
    rows = [
        {"file": str(path), "kid": keys.rotate(path, signs=not verify_only)}
        for purpose, path in key_files(directory).items()
        if only in {None, purpose}
    ]
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
    """Put a key first: it signs from now on, the others verify."""
    path = _file_with(kid, directory)
    keys.promote(path, kid)
    operator_log().info("keys.promoted", file=str(path), kid=kid)
    show({"file": str(path), "kid": kid}, f"{path}: key {kid} signs from now on", as_json=as_json)


@cli.command("list")
def list_(directory: Directory = None, as_json: AsJson = False) -> None:
    """Show the keys; never a secret."""
    rows = [
        {"file": str(path), "kid": key["kid"], "alg": key["alg"], "signs": number == 0}
        for path in key_files(directory).values()
        for number, key in enumerate(keys.read_key_file(path))
    ]
    table = Table("file", "kid", "algorithm", "use")
    for row in rows:
        use = "signs and verifies" if row["signs"] else "verifies"
        table.add_row(Text(str(row["file"])), Text(row["kid"]), row["alg"], use)
    show(rows, table, as_json=as_json)


@cli.command("retire")
def retire(kid: str, directory: Directory = None, as_json: AsJson = False) -> None:
    """Take a key out: what it signed stops verifying within seconds."""
    path = _file_with(kid, directory)
    keys.retire(path, kid)
    operator_log().info("keys.retired", file=str(path), kid=kid)
    show({"file": str(path), "kid": kid}, f"{path}: key {kid} retired", as_json=as_json)


def _file_with(kid: str, directory: Path | None) -> Path:
    for path in key_files(directory).values():
        if kid in {key["kid"] for key in keys.read_key_file(path)}:
            return path
    raise StartupError(f"no key {kid}")
