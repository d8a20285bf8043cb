"""A fake pair of services and a token source in front of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from dualtoken.client import FileStorage, MemoryStorage, TokenSource
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.pair import Control, running_pair
from tests.deadline import HANGS_S
from tests.event_loop_time import put_forward


@dataclass(slots=True)
class FakeClock:
    """A clock that goes only when told to."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        """Return seconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@pytest.fixture
async def pair() -> AsyncIterator[Control]:
    """Run the strict fakes."""
    async with running_pair() as control:
        yield control


@pytest.fixture
def clock() -> FakeClock:
    """Return the monotonic and wall clock of the source."""
    return FakeClock()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """Return where tokens are kept."""
    return tmp_path / "home" / "tokens.json"


MakeSource = Callable[..., TokenSource]
LetPass = Callable[[float], None]


@pytest.fixture
async def make_source(pair: Control, clock: FakeClock) -> AsyncIterator[MakeSource]:
    """Return a function that makes sources which are closed at the end."""
    made: list[TokenSource] = []

    def make(storage: MemoryStorage | FileStorage | None = None, **options: object) -> TokenSource:
        options = {"clock": clock, "wall_clock": clock, "refresh_timeout_s": HANGS_S, **options}
        made.append(TokenSource(pair.auth_url, storage=storage, **options))  # type: ignore[arg-type]  # options of any kind
        return made[-1]

    yield make
    await asyncio.gather(*(source.aclose() for source in made))


@pytest.fixture
async def let_pass() -> LetPass:
    """Return a function that lets seconds pass for the event loop of the test."""
    return partial(put_forward, asyncio.get_running_loop())


@pytest.fixture
async def source(make_source: MakeSource) -> TokenSource:
    """Return a source with a session."""
    source = make_source()
    await source.login("zs", PASSWORD)
    return source
