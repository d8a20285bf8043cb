"""``python -m resource_service serve``."""

import sys

import typer

from resource_service.errors import StartProblem
from resource_service.logs import configure_logs
from resource_service.settings import load_settings
from resource_service.shared_metrics import shared_directory
from resource_service.telemetry import require_telemetry

commands = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)

START_FAILED = 2


@commands.callback()
def resource_service() -> None:
    """A resource service that verifies access tokens locally. Settings are read from RESOURCE_* variables."""


@commands.command()
def serve() -> None:
    """Serve until SIGTERM; print one line with the address when ready."""
    try:
        settings = load_settings()
        configure_logs(settings.log_level)
        require_telemetry()
        if settings.workers == 1:
            from resource_service import serving

            serving.run(settings)
        else:
            with shared_directory():
                from resource_service import workers

                workers.run(settings)
    except StartProblem as error:
        for problem in error.problems:
            print(f"resource_service: {problem}", file=sys.stderr)
        sys.exit(START_FAILED)


if __name__ == "__main__":
    commands(prog_name="python -m resource_service")
