"""What holds for the whole suite."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.postgresql import Cluster, clusters

# An example that takes long to make, or to try, says that the machine is busy. What else CI's own profile says goes on.
settings.register_profile(
    "suite",
    settings(),
    deadline=None,
    suppress_health_check=[*settings().suppress_health_check, HealthCheck.too_slow],
)
settings.load_profile("suite")


# A run that a shell started in the background ignores interrupts, and so would every process that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failure: it would hide a missing install step."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A running PostgreSQL server, shared by the tests that neither kill nor change it."""
    with clusters() as [cluster]:
        yield cluster.initialise().start()
