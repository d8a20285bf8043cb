"""``python -m client``, or ``dualtoken`` once installed."""

import signal
import sys

from .commands.invocation import needs_extra

USAGE = 2


def main() -> None:
    """Run the command line; say in one line if the extra that brings it is missing."""
    # Until a command runs there is nothing to end in order, and Ctrl-C would trace whatever is being imported.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
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
