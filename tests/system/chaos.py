"""``python -m tests.system.chaos``: the soak of the suite, for longer, and its state machine, by chance.

Exit status 1 if a promise was broken.
"""

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.auth_service.machine_runs import Sql, run_for
from tests.auth_service.rotation_model import Rule
from tests.system.deployment import Deployment, Sqlite, deployed, postgres
from tests.system.soak import SoakReport, soak
from tests.system.storm import Plan, strikes

_PROCESSES = 2
_REDRAW_S = 0.25
_STEPS_SHARE = 0.25  # of the soak's time, and after it
_STORM = {
    "rotations": "rotations answered",
    "kills of auth processes": "kills of auth processes",
    "kills of the database": "kills of the database",
    "stops of auth processes": "stops of auth processes, as if frozen",
    "held rows": "rows held by somebody else meanwhile",
    "dropped answers": "dropped answers (committed, never heard)",
    "hung up on": "requests hung up on",
    "crashed clients": "clients restarted with an old journal",
    "retries": "retries",
    "retried": "answered again with the token that was lost",
    "raced": "raced",
    "caught_up": "caught up",
    "abandoned": "abandoned",
    "lost sessions": "lost sessions",
}
_MIXED = {
    "answers": "answers, counted alike by callers and services",
    "answers cut": "of these, cut on their way",
    "hung up on": "requests hung up on",
    "retries": "retries",
    "log-ins": "log-ins",
    "wrong passwords": "wrong passwords",
    "refreshes": "refreshes",
    "expired access tokens": "expired access tokens",
    "uploads": "uploads",
    "cached tokens": "access tokens remembered by resource",
    "logout": "log-outs",
    "reuse": "thefts, each of which ended its session",
    "lost sessions": "lost sessions",
}


@asynccontextmanager
async def _on_postgresql(folder: Path) -> AsyncIterator[Deployment]:
    with postgres() as database:
        async with deployed(folder, database, _PROCESSES) as deployment:
            yield deployment


@asynccontextmanager
async def _on_sqlite(folder: Path) -> AsyncIterator[Deployment]:
    async with deployed(folder, Sqlite(folder / "auth.db"), _PROCESSES) as deployment:
        yield deployment


_STAGES = {"PostgreSQL": _on_postgresql, "SQLite": _on_sqlite}


async def _watched(
    progress: Progress,
    bar: TaskID,
    deployment: Deployment,
    plan: Plan,
    rng: random.Random,
    counts: Counter[str],
) -> None:
    """Strike, and show how it goes."""
    began = time.monotonic()
    storm = asyncio.create_task(strikes(deployment, plan, rng, counts))
    while not storm.done():
        kills = counts["kills of auth processes"] + counts["kills of the database"]
        shown = f"{counts['rotations']} rotations, {kills} kills, {counts['dropped answers']} answers dropped"
        progress.update(bar, completed=min(time.monotonic() - began, plan.seconds), shown=shown)
        await asyncio.wait([storm], timeout=_REDRAW_S)
    await storm
    progress.update(bar, completed=plan.seconds)


async def _run(seconds: float, seed: int, console: Console) -> dict[str, SoakReport]:
    reports: dict[str, SoakReport] = {}
    shown = TextColumn("{task.fields[shown]}")
    columns = (TextColumn("{task.description:10}"), BarColumn(), TimeRemainingColumn(), shown)
    with Progress(*columns, console=console) as progress, tempfile.TemporaryDirectory() as folder:
        bars = {name: progress.add_task(name, total=seconds / len(_STAGES), shown="") for name in _STAGES}
        for name, stage in _STAGES.items():
            own = Path(folder) / name
            own.mkdir()
            async with stage(own) as deployment:
                plan = Plan(seed, seconds / len(_STAGES), strikes=0)
                reports[name] = await soak(deployment, plan, partial(_watched, progress, bars[name]))
    return reports


def _summary(reports: dict[str, SoakReport]) -> Table:
    table = Table("", *reports)
    for count, label in _STORM.items():
        table.add_row(label, *(str(report.storm.counts[count]) for report in reports.values()))
    table.add_section()
    table.add_row("[bold]mixed load on the services that live")
    for count, label in _MIXED.items():
        table.add_row(label, *(str(report.counts[count]) for report in reports.values()))
    for number, service in enumerate(("auth", "resource")):
        table.add_row(f"memory of {service}", *(str(report.memories[number]) for report in reports.values()))
    table.add_section()
    table.add_row("violations", *(str(len(report.violations)) for report in reports.values()))
    return table


def _random_steps(seconds: float, seed: int) -> dict[str, int]:
    """Take random steps over the rotation rule, alone and on both databases; return the examples of each.

    Raises:
        AssertionError: a promise was broken; the steps that led there have been printed.
    """
    examples = {"the rule": run_for(seconds / 3, seed, Rule)}
    with tempfile.TemporaryDirectory() as folder, postgres() as database:
        for name, url in (("SQLite", f"sqlite:///{folder}/auth.db"), ("PostgreSQL", database.url)):
            with closing(Sql(url)) as store:
                examples[name] = run_for(seconds / 3, seed, lambda store=store: store)
    return examples


def main(
    seconds: Annotated[
        float,
        typer.Option(envvar="CHAOS_S", min=1, help="For both databases together; random steps take a quarter more."),
    ] = 120,
    seed: Annotated[int | None, typer.Option(envvar="CHAOS_SEED", help="Repeats a run's kills and cuts.")] = None,
) -> None:
    """Kill auth processes and databases under mixed load; judge what clients and services saw; take random steps."""
    console = Console()
    seed = random.randrange(2**32) if seed is None else seed
    console.print(f"seed {seed}: CHAOS_SEED={seed} repeats it")
    reports = asyncio.run(_run(seconds, seed, console))
    console.print(_summary(reports))
    for name, report in reports.items():
        for violation in report.violations:
            console.print(f"[red]{name}:[/red] {violation}", highlight=False, soft_wrap=True)
    examples = _random_steps(seconds * _STEPS_SHARE, seed)
    console.print("random steps:", ", ".join(f"{number} examples on {name}" for name, number in examples.items()))
    if any(report.violations for report in reports.values()):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
