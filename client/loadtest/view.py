"""What a person sees of a run: live, and in the end."""

import time
from collections.abc import Callable

from hdrh.histogram import HdrHistogram
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .meter import EXCHANGE, percentiles_ms
from .result import Result

ERRORS_SHOWN = 6


class View:
    """Draws the state of a run anew each time that it is asked."""

    def __init__(self, result: Result, clock: Callable[[], float] = time.monotonic) -> None:
        self._result = result
        self._clock = clock
        self._began_at = clock()
        self.stopping = False

    def start(self) -> None:
        """Count the time from now on."""
        self._began_at = self._clock()

    def __rich__(self) -> RenderableType:
        result = self._result
        elapsed = self._clock() - self._began_at
        options = result.options
        done = (
            elapsed / options.duration_s
            if options.duration_s
            else result.total.counts.requests / (options.requests or 1)
        )
        ending = "   ending: waiting for the requests under way" if self.stopping else "   Ctrl-C ends the run"
        line = Text.assemble((f"{elapsed:6.1f} s", "bold"), ending)
        return Group(ProgressBar(completed=min(done, 1.0) * 100, width=60), line, figures(result, elapsed))


def figures(result: Result, elapsed: float) -> RenderableType:
    """Return the figures so far."""
    counts = result.total.counts
    recent = f"{result.points[-1].per_second:,.0f} now, " if result.points and not result.elapsed_s else ""
    numbers = Table(box=None, pad_edge=False, show_header=False)
    numbers.add_column(style="dim")
    numbers.add_column(justify="right")
    mean = counts.requests / elapsed if elapsed > 0 else 0.0
    for name, value in (
        ("requests", f"{counts.requests:,}"),
        ("requests/s", f"{recent}{mean:,.0f} in the mean"),
        ("401s", f"{counts.unauthorized:,}"),
        ("refreshes", f"{counts.refreshes:,}  (expected {counts.expected:,})"),
        ("waited for another's refresh", f"{counts.coalesced:,}"),
        ("failed", f"{counts.failed:,}"),
    ):
        numbers.add_row(name, Text(value, "bold red" if name == "failed" and counts.failed else ""))
    parts: list[RenderableType] = [numbers, _latencies(result)]
    parts += [
        Text(f"{number:,} times: {kind}", "red") for kind, number in result.total.errors.most_common(ERRORS_SHOWN)
    ]
    return Group(*parts)


def _latencies(result: Result) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("latency in ms", style="dim")
    for name in ("count", "p50", "p95", "p99", "max"):
        table.add_column(name, justify="right", min_width=8)
    total = result.total
    _row(table, "all requests", total.latency())
    if len(kinds := total.kinds()) > 1:
        for kind in kinds:
            _row(table, f"  {kind}", total.latency(what=kind))
    _row(table, "  that met no refresh", total.latency(met=False))
    _row(table, "  that met a refresh", total.latency(met=True))
    _row(table, EXCHANGE, total.latency(what=EXCHANGE))
    return table


def _row(table: Table, name: str, values: HdrHistogram) -> None:
    if (q := percentiles_ms(values)) is not None:
        table.add_row(name, f"{q['count']:,}", *(f"{q[key]:,.1f}" for key in ("p50", "p95", "p99", "max")))


def conclude(console: Console, result: Result) -> None:
    """Print the verdict."""
    counts = result.total.counts
    for remark in result.remarks():
        console.print(Text(remark, "yellow"))
    for failure in result.failures():
        console.print(Text(failure, "bold red"))
    if not result.failures():
        refreshes = f"{counts.refreshes:,} refreshes for {counts.expected:,} tokens that ran out"
        console.print(
            Text(f"Passed: {counts.requests:,} requests, 0 failures, {refreshes}.", "bold green"), soft_wrap=True
        )
