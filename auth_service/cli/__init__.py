"""The command line of the operator."""

from typing import Annotated

import typer

from dualtoken_serving.command import command_name, complain, use_what_there_is
from dualtoken_serving.errors import StartProblem

from .. import __version__
from ..errors import Unavailable
from . import keys, service, sessions, users

EXIT_PROBLEM = 2
COMMAND = command_name(__name__)

cli = typer.Typer(no_args_is_help=True, add_completion=not COMMAND.startswith("python"), pretty_exceptions_enable=False)
cli.command("serve")(service.serve)
cli.command("migrate")(service.migrate)
cli.add_typer(keys.cli, name="keys")
cli.add_typer(users.cli, name="users")
cli.add_typer(sessions.cli, name="sessions")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dualtoken-auth {__version__}")
        raise typer.Exit


@cli.callback()
def auth_service(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """The auth service, and its operator's commands. Settings are read from AUTH_* variables."""
    del version  # its callback has answered


def main() -> int:
    """Run a command. Each problem is one line on standard error, with exit status 2; never a traceback."""
    use_what_there_is()
    try:
        cli(prog_name=COMMAND, standalone_mode=True)
    except StartProblem as exc:
        complain(__name__, str(exc))
        return EXIT_PROBLEM
    except Unavailable as exc:
        complain(__name__, f"the database does not answer: {exc}".splitlines()[0])
        return EXIT_PROBLEM
    except OSError as exc:
        complain(__name__, f"{exc.filename or 'standard output'}: {exc.strerror}")
        return EXIT_PROBLEM
    return 0
