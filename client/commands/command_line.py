"""The command line: ``python -m client``, or ``dualtoken``.

Exit codes: see :class:`exit_codes.Exit`. A command loads what it needs when it runs: ``status`` needs no HTTP library.
"""

import io
import logging
import os
import sys
from typing import Annotated

import typer

from .. import __version__
from ..loadtest.cli import loadtest
from ..playground.cli import demo, up, web
from . import session
from .get import get
from .invocation import COMMAND, IS_SCRIPT

app = typer.Typer(
    no_args_is_help=True,
    add_completion=IS_SCRIPT,  # a shell completes the names of programs: `python -m client` is none
    pretty_exceptions_enable=False,  # they show variables, and some hold tokens
)
for command in (
    session.login, get, session.token, session.status, session.accounts, session.logout, demo, up, web, loadtest,
):  # fmt: skip
    app.command()(command)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dualtoken {__version__}")
        raise typer.Exit


@app.callback()
def dualtoken(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Log in once and call any service: tokens are refreshed automatically."""
    del version  # its callback has answered


def _open_streams() -> None:
    """Put something in the place of a standard stream that is closed, and bear what its encoding does not."""
    for name, mode, errors in (
        ("stdin", "r", "surrogateescape"), ("stdout", "w", "backslashreplace"), ("stderr", "w", "backslashreplace"),
    ):  # fmt: skip
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def main() -> None:
    """Run the command line."""
    _open_streams()
    logging.basicConfig(format="dualtoken: %(message)s", level=logging.ERROR)
    logging.getLogger("aiohttp.client").setLevel(logging.WARNING)  # a proxy that it passes by
    app(prog_name=COMMAND)
