"""The command line: ``serve``."""

import asyncio
import sys
from functools import partial
from typing import Annotated

import typer

from dualtoken_serving import process
from dualtoken_serving.command import command_name, complain, use_what_there_is
from dualtoken_serving.errors import StartProblem
from dualtoken_serving.logs import configure_logs
from dualtoken_serving.settings_source import tell_of_strangers
from dualtoken_serving.telemetry import require_telemetry

from . import __version__
from .app import create_app
from .errors import KeySetRefused
from .keys.key_file import KeyFile
from .settings import PREFIX, Settings, load_settings

COMMAND = command_name(__name__)
commands = typer.Typer(
    add_completion=not COMMAND.startswith("python"), pretty_exceptions_enable=False, no_args_is_help=True
)

NAME = "resource_service"
START_FAILED = 2
HANDLING_S = 10.0
"""Seconds for requests in flight to finish."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dualtoken-resource {__version__}")
        raise typer.Exit


@commands.callback()
def resource_service(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """A resource service that verifies access tokens locally. Settings are read from RESOURCE_* variables."""
    del version  # its callback has answered


@commands.command()
def serve() -> None:
    """Serve until SIGTERM; print one line with the address when ready."""
    try:
        settings = load_settings()
        configure_logs(settings.log_level, NAME, never_wait=True)
        tell_of_strangers(Settings)
        require_telemetry()
        if settings.keys is not None:
            asyncio.run(KeyFile(settings.keys).fetch())  # what every worker would fail at is named once, here
        process.run(serving_of(settings))
    except (StartProblem, KeySetRefused) as error:
        complain(__name__, str(error))
        sys.exit(START_FAILED)


def serving_of(settings: Settings) -> process.Serving:
    """Describe this service to the code that serves it."""
    return process.Serving(
        service=NAME,
        prefix=PREFIX,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        tls_cert=settings.tls_cert,
        tls_key=settings.tls_key,
        handling_s=HANDLING_S,
        ending_s=round(2 * HANDLING_S) + 2,
        make_app=partial(create_app, settings),
        waits_for=(KeySetRefused,),
    )


def main() -> None:
    """Run a command."""
    use_what_there_is()
    commands(prog_name=COMMAND)
