"""What a command shows: a sentence or a table for people, JSON for programs."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


def show(value: object, people: str | Table, *, as_json: bool) -> None:
    """Print *value* as one line of JSON, or what *people* read instead."""
    if as_json:
        typer.echo(json.dumps(value))
    elif isinstance(people, Table):
        Console().print(people)
    else:
        typer.echo(people)
