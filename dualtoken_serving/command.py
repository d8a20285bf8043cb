"""The terminal side of a service's command: its name, its streams, and its start-up errors."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .printable import printable

USAGE: Final = 2
_OWN: Final = frozenset({"auth_service", "dualtoken", "dualtoken_serving", "resource_service"})


def command_name(module: str) -> str:
    """Return what people type to run a command: ``dualtoken-auth``, or ``python -m auth_service`` in a checkout.

    Args:
        module: any of the service's, as it is imported.
    """
    return _script() or f"python -m {_package(module)}"


def complain(module: str, problem: str) -> None:
    """Write *problem* on standard error, each line behind the name of the command."""
    for line in problem.splitlines():
        print(f"{_script() or _package(module).rpartition('.')[2]}: {printable(line)}", file=sys.stderr)


def use_what_there_is() -> None:
    """Let a command run where standard streams are closed, and speak to any terminal."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # In this order: each takes the number that is its own, which no database or socket may get.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - as long as the process
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What the terminal's encoding lacks, and bytes of a file name that are no text, are shown as escapes.
        sys.stdout.reconfigure(errors="backslashreplace")


@contextmanager
def naming_the_extra(extra: str, module: str) -> Iterator[None]:
    """End the process with one line, and status 2, where a library of *extra* is not installed."""
    try:
        yield
    except ModuleNotFoundError as missing:
        library = (missing.name or "").partition(".")[0]
        if library in _OWN:
            raise
        complain(module, f"needs an extra: pip install 'dualtoken[{extra}]' (no {library})")
        sys.exit(USAGE)


def _script() -> str | None:
    """Return the name of the installed command that started this process; None: it was ``python -m``."""
    name = Path(sys.argv[0]).name.removesuffix(".exe")
    return name if name.startswith("dualtoken-") else None


def _package(module: str) -> str:
    """Return the service's own package: ``auth_service``, or ``dualtoken.auth_service`` once installed."""
    before, service, _ = module.partition("_service")
    return before + service
