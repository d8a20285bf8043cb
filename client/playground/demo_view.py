"""What the demonstration shows while it runs, and its last line."""

from typing import Protocol

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .claims import Burst, Claims


class Shown(Protocol):
    """What a view needs of a demonstration."""

    claims: Claims
    waiting: float | None


class View:
    """Draws the state of the run anew each time it is asked."""

    def __init__(self, demo: Shown, life_s: int) -> None:
        self._demo = demo
        self._life_s = life_s

    def __rich__(self) -> Group:
        demo = self._demo
        lines: list[Table | Text | ProgressBar] = [self._table()]
        if demo.waiting is not None:
            lines += [Text("the access token runs out …", "dim"), ProgressBar(completed=demo.waiting * 100, width=60)]
        theft = (Text.assemble(_mark(ok), " ", sentence) for ok, sentence in demo.claims.theft)
        return Group(*lines, *theft, Text())

    def _table(self) -> Table:
        table = Table(title=f"access tokens live {self._life_s} s on this machine; one client", title_justify="left")
        table.add_column("expiry", no_wrap=True)
        for name in ("requests", "answered", "401s", "ran out", "refreshes", "longest wait", "held"):
            table.add_column(name, justify="right", no_wrap=name != "longest wait")
        for burst in self._demo.claims.bursts:
            table.add_row(*_row(burst))
        return table


def _row(burst: Burst) -> list[str | Text]:
    counts = (burst.requests, burst.answered, burst.refused, burst.due, burst.refreshes)
    wait = f"{burst.longest_s * 1000:.0f} ms"
    verdict = _mark(burst.held) if burst.done else Text("…")
    return ["a surprise" if burst.surprise else "foreseen", *map(str, counts), wait, verdict]


def _mark(held: bool) -> Text:
    return Text("✔", "green") if held else Text("✘", "bold red")


def verdict(claims: Claims) -> Text:
    """Say in one line what came of it."""
    counts = {name: claims.total(name) for name in ("requests", "answered", "due", "refreshes")}
    figures = (
        f"{len(claims.bursts)} bursts, {counts['answered']} of {counts['requests']} requests answered, "
        f"{counts['refreshes']} refreshes for {counts['due']} tokens that ran out"
    )
    if claims.held:
        return Text(f"Every claim held: {figures}; the stolen token ended its session.", "bold green")
    return Text(f"A claim FAILED: {figures}.", "bold red")
