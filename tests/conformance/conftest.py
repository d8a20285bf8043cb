"""The pair, and each client that the scenarios run against."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.conformance.adapter import ClientUnderTest, OpenClient, clients, open_client
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.pair import Control, running_pair
from tests.deadline import HANGS_S

OpenAnother = Callable[..., ClientUnderTest]


@pytest.fixture
async def pair() -> AsyncIterator[Control]:
    """Run the strict fakes."""
    async with running_pair() as control:
        yield control


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """Return where the clients keep their session, alone in its folder."""
    return tmp_path / "client" / "tokens"


@pytest.fixture(params=clients(), ids=lambda name: name.rpartition(":")[2])
def make(request: pytest.FixtureRequest) -> OpenClient:
    """Return the maker of a client."""
    return open_client(request.param)


@pytest.fixture
async def open_another(pair: Control, token_file: Path, make: OpenClient) -> AsyncIterator[OpenAnother]:
    """Return a function that opens clients which share one token file."""
    opened: list[ClientUnderTest] = []

    def open_one(*, timeout_s: float = HANGS_S, connections: int = 100, auth_url: str | None = None) -> ClientUnderTest:
        opened.append(
            make(
                auth_url or pair.auth_url,
                pair.api_url,
                token_file=token_file,
                timeout_s=timeout_s,
                connections=connections,
            )
        )
        return opened[-1]

    yield open_one
    await pair.release()
    await asyncio.gather(*(client.close() for client in opened))


@pytest.fixture
async def client(open_another: OpenAnother) -> ClientUnderTest:
    """Return a client with a session."""
    client = open_another()
    await client.login("zs", PASSWORD)
    return client
