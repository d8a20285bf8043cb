"""``python -m client``, or ``dualtoken`` once installed."""

import sys

from .commands.invocation import needs_extra

USAGE = 2


def main() -> None:
    """Run the command line; say in one line if the extra that brings it is missing."""
    try:
        from .commands.command_line import main as run
    except ModuleNotFoundError as missing:
        if missing.name not in ("typer", "rich"):
            raise
        sys.stderr.write(f"dualtoken: {needs_extra('cli')}\n")
        sys.exit(USAGE)
    run()


if __name__ == "__main__":
    main()
