"""dualtoken beside what people use today, in one run on one machine: ``make bench``.

    python -m benchmarks.side_by_side [--rounds 5] [--seconds 2] [--connections 64] [--only refresh|read|cold|client]

Each server runs in one process on one core, the load comes from another one; servers are asked in turn, round by round,
in changing order; medians, least and greatest of all rounds, and ratios of the same round, are given; so are rates by
the server's processor time, which other work on the machine disturbs less. Peers that cannot be installed are named and
left out; what fails is said to have failed. Writes ``benchmarks/results/side-by-side.md`` and ``.json``; with
``--only``, files of that part's name beside them. Everything stays on loopback.
"""

import argparse
import asyncio
import json
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import expiry
from benchmarks.contenders import COLD_READS, READS, REFRESHES, Contender, Maker
from benchmarks.http_load import load
from benchmarks.installation import NotInstalled, versions
from benchmarks.servers import cores, processor_s, reason

RESULTS = Path(__file__).parent / "results"
WARM_UP = 256  # requests, before a rate can be guessed
ROUND_S = 60.0  # at most
SERVERS = {
    "refresh": (REFRESHES, "Rotations", "refreshes"),
    "read": (READS, "Verified requests", "requests"),
    "cold": (COLD_READS, "Verified requests, each with another user's token,", "requests"),
}
PARTS = (*SERVERS, "client")


@dataclass(slots=True)
class Series:
    """What one server did, round by round."""

    name: str
    what: str
    per_second: list[float] = field(default_factory=list)
    per_cpu_second: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    left_out: str | None = None
    """Why it cannot be had on this machine."""
    failure: str | None = None
    """Why it has no figures, or not of all rounds, though it can be had."""


def measure(contenders: Sequence[Contender], options: argparse.Namespace) -> list[Series]:
    """Start all of *contenders* and ask them in turn."""
    series = {c.name: Series(c.name, c.what) for c in contenders}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running: dict[str, tuple[int, Maker]] = {}
        for contender in contenders:
            try:
                running[contender.name] = stack.enter_context(contender.start(folder, options.connections))
            except NotInstalled as error:
                series[contender.name].left_out = str(error)
            except Exception as error:  # whatever it is, it costs no other server its figures
                series[contender.name].failure = reason(error)
        uvloop.run(rounds(running, series, options))
    return list(series.values())


async def rounds(running: dict[str, tuple[int, Maker]], series: dict[str, Series], options: argparse.Namespace) -> None:
    """Ask the servers in turn; one that fails is not asked again."""
    guessed: dict[str, float] = {}
    apart = cores()[0] != cores()[1]  # who shares a core with the servers must let them have it
    for round_ in range(-3, options.rounds):  # the first guess the rates and warm up
        for name in sorted(running, reverse=bool(round_ % 2)):
            port, maker = running[name]
            # A number of requests, not a time: then every answer is read, and no chain of refreshes breaks off.
            wanted = guessed.get(name, 0) * options.seconds
            cpu_s = processor_s()
            try:
                async with asyncio.timeout(ROUND_S):
                    run = await load(
                        "127.0.0.1",
                        port,
                        maker,
                        connections=options.connections,
                        count=max(WARM_UP, int(wanted)),
                        awake=apart,
                    )
                failure = run.failures[0] if run.failures else None
            except TimeoutError:
                failure = f"no end within {ROUND_S:g} s"
            except Exception as error:  # as above
                failure = reason(error)
            if failure is not None:
                series[name].failure = f"under load: {failure}"
                del running[name]
                continue
            guessed[name] = run.per_second
            if round_ >= 0:
                series[name].per_second.append(run.per_second)
                series[name].per_cpu_second.append(run.requests / max(processor_s() - cpu_s, 1e-9))
                series[name].p99_ms.append(run.percentile_s(99) * 1000)
                print(f"  {round_ + 1:2} {name:32} {run.per_second:9.0f}/s", file=sys.stderr, flush=True)


def spread(values: Sequence[float], form: str) -> str:
    """Write a median with its least and greatest."""
    middle, low, high = (format(v, form) for v in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({low} to {high})"


def absence(series: Series | expiry.Series) -> str | None:
    """Say why a row has no figures; None if it has them."""
    if series.failure is not None:
        return f"failed: {series.failure}"
    return None if series.left_out is None else f"left out: {series.left_out}"


def table(series: Sequence[Series], unit: str) -> list[str]:
    """Return a table in Markdown; the first of *series* is ours."""
    ours = series[0]
    lines = [
        f"| server | {unit}/s | dualtoken ÷ it | {unit}/s of processor time | dualtoken ÷ it | p99, ms | set-up |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for each in series:
        if absent := absence(each):
            lines.append(f"| {each.name} | {absent} | | | | | {each.what} |")
            continue
        cells = [each.name]
        for mine, its in ((ours.per_second, each.per_second), (ours.per_cpu_second, each.per_cpu_second)):
            pairs = [a / b for a, b in zip(mine, its, strict=False)]
            cells += [spread(its, ",.0f"), spread(pairs, ".2f") if pairs and each is not ours else ""]
        lines.append(f"| {' | '.join(cells)} | {spread(each.p99_ms, '.1f')} | {each.what} |")
    return lines


def client_table(series: Sequence[expiry.Series]) -> list[str]:
    """Return the table of the clients in Markdown."""
    lines = [
        "| client | refresh calls | failed requests | seconds | how it is set up |",
        "|---|---:|---:|---:|---|",
    ]
    for each in series:
        if absent := absence(each):
            lines.append(f"| {each.name} | {absent} | | | {each.what} |")
            continue
        calls, failed = spread(each.refresh_calls, ".0f"), spread(each.failed, ".0f")
        lines.append(f"| {each.name} | {calls} | {failed} | {spread(each.seconds, '.2f')} | {each.what} |")
    return lines


def machine() -> str:
    """Return the machine in one line."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    runtimes = ", ".join(f"{name} {version}" for name, version in versions().items())
    return f"{found[1] if found else platform.machine()}, {os.cpu_count()} cores, {platform.system()}; {runtimes}"


def measured(part: str, options: argparse.Namespace) -> tuple[list[dict[str, Any]], list[str]]:
    """Measure one part; return its figures, and its table under a heading."""
    if part == "client":
        clients = expiry.measure(options.rounds, options.requests)
        heading = f"### {options.requests:,} concurrent requests at expiry"
        return [asdict(each) for each in clients], ["", heading, "", *client_table(clients)]
    contenders, heading, unit = SERVERS[part]
    servers = measure(contenders, options)
    return [asdict(each) for each in servers], ["", f"### {heading} per second and process", "", *table(servers, unit)]


def results(only: str | None) -> Path:
    """Return where the figures go: those of one part alone do not overwrite those of all."""
    return RESULTS / ("side-by-side.json" if only is None else f"side-by-side-{only}.json")


def write(only: str | None, lines: Sequence[str], figures: dict[str, Any]) -> None:
    """Write what has been measured so far."""
    RESULTS.mkdir(exist_ok=True)
    path = results(only)
    path.write_text(json.dumps(figures, indent=2) + "\n")
    path.with_suffix(".md").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Measure, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--requests", type=int, default=expiry.REQUESTS, help="concurrent ones, of each client")
    parser.add_argument("--only", choices=PARTS)
    options = parser.parse_args()
    began = time.time()
    lines = [
        f"Machine: {machine()}. {options.rounds} rounds of {options.seconds:g} s, {options.connections} connections."
    ]
    figures: dict[str, Any] = {"machine": machine(), "began_at": began, "options": vars(options)}
    for part in PARTS:
        if options.only in (None, part):
            figures[part], more = measured(part, options)
            lines += more
            write(options.only, lines, figures)  # what is measured is kept, whatever becomes of the rest
    print("\n".join(lines))


if __name__ == "__main__":
    os.sched_setaffinity(0, {cores()[1]})
    main()
