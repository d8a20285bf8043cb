"""The Compose stack, for real. Only `pytest tests/compose --compose` (`make test-compose`) collects these tests."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.scaled import ACCOUNT, AUTH, SERVICES
from tests.compose.stack import Stack

ACCESS_TTL_S = "4"  # a restart takes longer: the first health check comes 5 s after the start


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the command line ask for these tests: they need a Docker engine."""
    parser.addoption("--compose", action="store_true", help="build and run the Compose stack")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the tests out, rather than skip them, where nobody asked: a skip would say that something is missing."""
    del collection_path
    return None if config.getoption("--compose", default=False) else True


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The stack, built from this checkout and healthy, under a project name and on ports of its own."""
    with Stack.running(AUTH_ACCESS_TTL_S=ACCESS_TTL_S, RESOURCE_LEEWAY_S="0") as stack:
        yield stack
        if request.session.testsfailed:
            print(stack.compose("logs", "--no-color"))


@pytest.fixture(scope="session")
def scaled(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The scaled stack, on a network of its own. Access tokens live so shortly that each fault meets refreshes."""
    network = f"10.{random.randrange(200, 250)}.{random.randrange(256)}"
    settings = {
        "SCALE_NETWORK": network,
        "AUTH_ACCESS_TTL_S": "2",
        "RESOURCE_LEEWAY_S": "0",
    }
    failed = request.session.testsfailed
    with Stack.running(override="docker-compose.scale.yml", services=SERVICES, **settings) as stack:
        add = ("python", "-m", "auth_service", "users", "add", ACCOUNT["username"], "--email", "zs@example.org")
        stack.execute(AUTH[0], *add, stdin=f"{ACCOUNT['password']}\n")
        yield stack
        if request.session.testsfailed > failed:
            print(stack.compose("logs", "--no-color", "--tail=200"))
