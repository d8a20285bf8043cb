"""The command line of the operator."""

import sys

import typer

from auth_service.cli import keys, service, sessions, users
from auth_service.errors import StartupError, Unavailable

EXIT_PROBLEM = 2

cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
cli.command("serve")(service.serve)
cli.command("migrate")(service.migrate)
cli.add_typer(keys.cli, name="keys")
cli.add_typer(users.cli, name="users")
cli.add_typer(sessions.cli, name="sessions")


def main() -> int:
    """Run a command. A problem is one line on standard error for each, and exit status 2; never a traceback."""
    try:
        cli(prog_name="python -m auth_service", standalone_mode=True)
    except StartupError as exc:
        for line in str(exc).splitlines():
            print(f"auth_service: {line}", file=sys.stderr)
        return EXIT_PROBLEM
    except Unavailable as exc:
        print(f"auth_service: the database does not answer: {exc}".splitlines()[0], file=sys.stderr)
        return EXIT_PROBLEM
    except OSError as exc:
        print(f"auth_service: {exc.filename or 'standard output'}: {exc.strerror}", file=sys.stderr)
        return EXIT_PROBLEM
    return 0
