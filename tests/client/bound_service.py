"""A real auth service that notes proofs and loses answers, and a source for its bound sessions."""

import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from dualtoken.auth_service.app import create_app
from dualtoken.auth_service.domain.models import User
from dualtoken.auth_service.keys import jwk_file
from dualtoken.auth_service.login_guard.hashing import Passwords
from dualtoken.auth_service.settings import Settings
from dualtoken.auth_service.store.sql import open_store
from dualtoken.client import (
    TokenSource,
)
from tests.auth_service.running import FAST_HASHER, PASSWORD, ManualClock
from tests.deadline import HANGS_S
from tests.ports import held_ports


class Service:
    """A real auth service whose answers can be lost on their way.

    Attributes:
        seen: the proofs of the requests that came, by path.
        lose: how many answers of ``/refresh`` are still to be lost.
    """

    def __init__(self, url: str, clock: ManualClock, database: Path) -> None:
        self.url, self.clock, self.database = url, clock, database
        self.seen: list[tuple[str, str | None]] = []
        self.lose = 0

    @web.middleware
    async def watch(self, request: web.Request, handler: Callable[..., Any]) -> web.StreamResponse:
        """Note each request, and lose an answer where one is to be lost."""
        self.seen.append((request.path, request.headers.get("DPoP")))
        answer: web.StreamResponse = await handler(request)
        if request.path == "/refresh" and self.lose:
            self.lose -= 1
            assert request.transport is not None
            request.transport.close()
        return answer

    @property
    def proofs(self) -> list[str | None]:
        """The proofs of refreshes."""
        return [proof for path, proof in self.seen if path == "/refresh"]


@contextlib.asynccontextmanager
async def running(folder: Path, clock: ManualClock, **changes: Any) -> AsyncIterator[Service]:
    """Run it at an address that proofs may name."""
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 - a test's own folder
    names = ("access.jwks.json", "refresh.jwks.json")
    for name in names:
        jwk_file.create(folder / name)
    with held_ports(1) as [port]:
        url = f"http://127.0.0.1:{port}"
        settings = Settings(
            database_url=f"sqlite:///{folder / 'auth.db'}",
            access_keys=folder / names[0],
            refresh_keys=folder / names[1],
            issuer="https://auth.example",
            **{"dpop_htu": (url,), **changes},
        )
        async with open_store(settings.database_url.get_secret_value()) as store:
            user = User("u-1", "zs", "zs@example.org", "read write")
            await store.add_user(user, FAST_HASHER.hash(PASSWORD), now=clock.now)
        app = create_app(settings, clock=clock, make_passwords=partial(Passwords, FAST_HASHER, cores=1))
        service = Service(url, clock, folder / "auth.db")
        app.middlewares.append(service.watch)
        async with TestServer(app, host="127.0.0.1", port=port):
            yield service


def source_of(service: Service, **options: Any) -> TokenSource:
    """Return a source with the service's time, unless *options* say otherwise."""
    defaults = {"dpop": True, "refresh_timeout_s": HANGS_S, "wall_clock": lambda: service.clock.now / 1000}
    return TokenSource(service.url, **defaults | options)
