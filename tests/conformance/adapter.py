"""What the scenarios need of a client.

They run against each client of this library. To run them against another one, write an :class:`OpenClient` for it and
name it ``CONFORMANCE_CLIENT=my_package.adapter:OpenIt python -m pytest tests/conformance``.
"""

import importlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

Body = bytes | AsyncIterator[bytes] | None
OWN = (
    "own_client:OwnClient",
    "httpx_client:HttpxClient",
    "httpx_client:Httpx2Client",
    "httpx_threads_client:HttpxThreadsClient",
    "requests_client:RequestsClient",
)


class SessionEnded(Exception):
    """Only a login helps."""


class Unavailable(Exception):
    """The auth service cannot be reached, or answers nonsense; the session goes on when it is back."""


class BodySpent(Exception):
    """The request was refused, and its body cannot be sent twice."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request got."""

    status: int
    body: bytes


class ClientUnderTest(Protocol):
    """One client with at most one session. Any number of requests may run at once, and each may be cancelled.

    An adapter is these six methods and a constructor. What a client cannot do fails the scenarios that need it.
    """

    async def login(self, username: str, password: str) -> None:
        """Open a session.

        Raises:
            PermissionError: unknown user or wrong password.
            Unavailable: see there.
        """

    async def request(self, method: str, url: str, body: Body = None) -> Answer:
        """Send a request, signed if *url* is the resource service's.

        Raises:
            SessionEnded, Unavailable, BodySpent: see there.
        """

    async def logout(self, *, everywhere: bool = False) -> None:
        """End the session, or all of its user."""

    def sleep(self, seconds: float) -> None:
        """Let the machine have slept: of the clocks that the client reads, those that run on in sleep have moved."""

    async def let_pass(self, seconds: float) -> None:
        """Return when so much time has passed for the client's timers, or they have been put forward by so much.

        ``await asyncio.sleep(seconds)`` will do.
        """

    async def close(self) -> None:
        """Let go of connections."""


class OpenClient(Protocol):
    """Makes a client, whose requests go through the proxy that the environment names, if it names one."""

    def __call__(
        self, auth_url: str, api_url: str, *, token_file: Path, timeout_s: float, connections: int
    ) -> ClientUnderTest:
        """Return a client.

        Args:
            auth_url: the auth service.
            api_url: the only origin that may see an access token.
            token_file: where the session is kept; several clients may share it.
            timeout_s: for one refresh, repetitions included.
            connections: to the resource service, at most.
        """


def clients() -> list[str]:
    """Return the makers that the scenarios run against: the one that the environment names, or all of our own."""
    named = os.environ.get("CONFORMANCE_CLIENT")
    return [named] if named else [f"tests.conformance.{own}" for own in OWN]


def open_client(name: str) -> OpenClient:
    """Return the maker of that name."""
    module, _, attribute = name.partition(":")
    maker: OpenClient = getattr(importlib.import_module(module), attribute)
    return maker
