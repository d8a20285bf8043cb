"""What a command shows: a sentence or a table for people, JSON for programs."""

import json
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dualtoken_serving.printable import printable

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
_WIDEST = 10_000


def show(value: object, people: str | Table, *, as_json: bool) -> None:
    """Print *value* as one line of JSON, or what *people* read instead."""
    if as_json:
        typer.echo(json.dumps(value))
    elif isinstance(people, Table):
        _print(people)
    else:
        typer.echo("\n".join(map(shown, people.split("\n"))))


def shown(text: str) -> str:
    """Return *text*, which strangers may have chosen, as standard output can show it."""
    return printable(text, getattr(sys.stdout, "encoding", None) or "utf-8")


def table(headings: Sequence[str], rows: Iterable[Sequence[str | Text]], *, whole: Collection[str] = ()) -> Table:
    """Return a table of what strangers may have chosen: neither markup nor anything that acts on a terminal.

    Args:
        headings: of the columns.
        rows: a cell for each column.
        whole: the columns that no narrow terminal cuts or breaks, because a command asks for what they hold.
    """
    made = Table()
    for heading in headings:
        made.add_column(heading, no_wrap=heading in whole, overflow="fold")  # broken, but never cut
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(shown(cell)) for cell in row))
    return made


def _print(made: Table) -> None:
    console = Console()
    # What must not be broken may need more than a terminal has, which then breaks lines by itself. A file has no width.
    needed = Console(width=_WIDEST).measure(made)
    Console(width=max(console.width, needed.minimum if console.is_terminal else needed.maximum)).print(made)
