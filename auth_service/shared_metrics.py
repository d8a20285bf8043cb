"""Metrics that add up over all workers of one service, through files in a directory of their own.

Source: prometheus_client's multiprocess mode. A worker that ends leaves its counts behind; only its gauges go.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, generate_latest, multiprocess, values

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def shared_directory() -> Iterator[None]:
    """Share what is counted by metrics made from here on, by this process and those that it forks."""
    owner, directory = os.getpid(), tempfile.mkdtemp(prefix="auth-metrics-")
    os.environ[_VARIABLE] = directory
    # Chosen when prometheus_client is imported, which every command does: chosen again.
    values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call] # as prometheus_client has it
    try:
        yield
    finally:
        # A worker is a fork: when it ends, it leaves this context, too.
        if os.getpid() == owner:
            shutil.rmtree(directory, ignore_errors=True)


def forget_gauges(pid: int) -> None:
    """Stop showing how things stood in the worker *pid*, which has ended."""
    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call] # as prometheus_client has it


def exposition(registry: CollectorRegistry) -> bytes:
    """Return the text that Prometheus reads: of all workers where they share, else of *registry*."""
    if _VARIABLE not in os.environ:
        return generate_latest(registry)
    everything = CollectorRegistry()
    multiprocess.MultiProcessCollector(everything)  # type: ignore[no-untyped-call] # as prometheus_client has it
    return generate_latest(everything)
