"""``keys init``: the JWK Set files."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from auth_service import keys
from auth_service.errors import StartupError
from auth_service.settings import load_settings

cli = typer.Typer(no_args_is_help=True, help="JWK Set files: the first key signs, all verify.")
Directory = Annotated[Path | None, typer.Option("--dir", help="Instead of AUTH_ACCESS_KEYS and AUTH_REFRESH_KEYS.")]
Algorithm = Annotated[str, typer.Option(help=f"Of the access key: {', '.join(keys.ALGORITHMS)}.")]
ACCESS, REFRESH = "access.jwks.json", "refresh.jwks.json"


def key_files(directory: Path | None) -> dict[str, Path]:
    """Return where the access keys and the refresh keys are."""
    if directory is not None:
        return {"access": directory / ACCESS, "refresh": directory / REFRESH}
    settings = load_settings()
    return {"access": settings.access_keys, "refresh": settings.refresh_keys}


@cli.command("init")
def init(directory: Directory = None, algorithm: Algorithm = "HS256") -> None:
    """Write both key files; one that exists is left alone."""
    if algorithm not in keys.ALGORITHMS:
        raise StartupError(f"--algorithm must be one of {', '.join(keys.ALGORITHMS)}")
    console = Console(highlight=False, soft_wrap=True)
    for purpose, path in key_files(directory).items():
        # Refresh tokens are MACs that only this service checks: their key is always a shared one.
        try:
            written = keys.create(path, algorithm if purpose == "access" else "HS256")
        except OSError as exc:
            raise StartupError(f"{path}: cannot write: {exc.strerror}") from None
        console.print(f"{path}: {'written' if written else 'exists, left alone'}")
