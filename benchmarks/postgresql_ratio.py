"""What a durable rotation costs on PostgreSQL: one worker ÷ the same on SQLite, and two workers ÷ one.

    python -m benchmarks.postgresql_ratio [--rounds 40] [--seconds 0.5] [--connections 64]

A real server of the suite's own, as it comes: fsync and synchronous_commit are on, so that an answered rotation is on
disk, as on SQLite. All three services are asked in turn with chained refreshes; the load comes from one core, and what
is measured may use all. Goals: 0.7 of SQLite's rate; two workers 1.5 times one's.

With fewer than four cores, load, database and two workers have none to themselves, and their rates tell nothing of a
machine that has them. There, which is said, the goals are judged by the processor time of the workers for a rotation:
what they do where the database is no limit.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import uvloop

from benchmarks.auth_services import auth_service
from benchmarks.http_load import Load
from benchmarks.in_turn import Server, in_turn
from benchmarks.processor_time import Meters, per_request_us, tree
from benchmarks.ratios import paired
from benchmarks.refresh_ratio import Chains, show, show_batches
from benchmarks.servers import cores
from dualtoken.auth_service.store.migrate import upgrade
from dualtoken.auth_service.store.sql import open_database
from tests.postgresql import Cluster, clusters

SQLITE_GOAL, WORKERS_GOAL = 0.7, 1.5
CORES = 4
SQLITE, ONE, TWO = "SQLite", "PostgreSQL", "PostgreSQL, two workers"


async def migrated(cluster: Cluster) -> str:
    """Give a new cluster our tables; return its address."""
    database = open_database(cluster.url())
    try:
        await upgrade(database)
    finally:
        await database.close()
    return cluster.url()


def report(loads: dict[str, list[Load]]) -> tuple[float, float]:
    """Print both ratios, and whose processor time they are made of; return their medians."""
    rates = {name: [load.per_second for load in of_server] for name, of_server in loads.items()}
    taken_us = {name: per_request_us(of_server) for name, of_server in loads.items()}
    to_sqlite, of_workers = paired(rates[ONE], rates[SQLITE]), paired(rates[TWO], rates[ONE])
    to_sqlite_cpu = paired(taken_us[SQLITE], taken_us[ONE])
    of_workers_cpu = paired(taken_us[ONE], [taken / 2 for taken in taken_us[TWO]])
    judged = (to_sqlite, of_workers) if enough_cores() else (to_sqlite_cpu, of_workers_cpu)
    for what, by_rate, by_time, goal in (
        ("PostgreSQL ÷ SQLite, one worker", to_sqlite, to_sqlite_cpu, SQLITE_GOAL),
        ("PostgreSQL, two workers ÷ one", of_workers, of_workers_cpu, WORKERS_GOAL),
    ):
        print(f"{what}, by rate: {by_rate}")
        print(f"{what}, by processor time of the workers: {by_time}")
        print(f"{what}: {by_rate if enough_cores() else by_time}; goal {goal}")
    return judged[0].median, judged[1].median


def enough_cores() -> bool:
    """Whether two workers, the database and the load find a core each."""
    return (os.cpu_count() or 1) >= CORES


def show_processor_time(name: str, loads: Sequence[Load]) -> None:
    """Print what a rotation took of whom, in microseconds."""
    taken = {whose: statistics.median(per_request_us(loads, whose)) for whose in loads[0].cpu_s}
    print(f"{name}: µs of processor time for a rotation: {', '.join(f'{who} {us:.0f}' for who, us in taken.items())}")


def main() -> None:
    """Measure and report; exit 1 below a goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        [cluster] = stack.enter_context(clusters())
        url = asyncio.run(migrated(cluster.initialise().start()))
        servers = {}
        for name, database, workers in ((SQLITE, None, 1), (ONE, url, 1), (TWO, url, 2)):
            service = auth_service(folder / name, options.connections, url=database, AUTH_WORKERS=str(workers))
            port, tokens = stack.enter_context(service)
            servers[name] = Server(port, Chains(tokens))
        meters = Meters(database=tree(cluster.pid))
        turns = in_turn(
            servers, rounds=options.rounds, seconds=options.seconds, connections=options.connections, meter=meters
        )
        loads = uvloop.run(turns)
        show({name: [load.per_second for load in of_server] for name, of_server in loads.items()})
        for name in servers:
            show_processor_time(name, loads[name])
        for name in (SQLITE, ONE):
            show_batches(name, servers[name].port)
    to_sqlite, of_workers = report(loads)
    sys.exit(to_sqlite < SQLITE_GOAL or of_workers < WORKERS_GOAL)


if __name__ == "__main__":
    os.sched_setaffinity(0, {cores()[1]})
    main()
