"""Log-ins that come faster than passwords can be hashed: who is refused, and who is not."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import islice

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient

from dualtoken.auth_service.app import create_app
from dualtoken.auth_service.domain.models import User
from dualtoken.auth_service.login_guard.delay import DelayedRefusal
from dualtoken.auth_service.login_guard.hashing import Passwords
from dualtoken.auth_service.login_guard.lanes import Lanes
from dualtoken.auth_service.settings import Settings
from dualtoken.auth_service.store.sql import open_store
from tests.auth_service.attempts import stop_time
from tests.auth_service.running import FAST_HASHER, PASSWORD, START_MS, AuthServer, GatedHasher, HeldBack
from tests.deadline import HANGS_S


@dataclass(frozen=True)
class Queue:
    """A service behind a proxy, whose verifications wait at a gate: seventeen places."""

    client: TestClient[web.Request, web.Application]
    lanes: Lanes
    gate: threading.Event
    sleep: HeldBack

    def join(self, name: str, address: str, password: str = PASSWORD) -> asyncio.Task[ClientResponse]:
        """Log in from an address."""
        body, headers = {"username": name, "password": password}, {"X-Forwarded-For": address}
        return asyncio.create_task(self.client.post("/login", json=body, headers=headers))

    async def hold(self, number: int) -> None:
        """Return when so many wait."""
        loop, held = asyncio.get_running_loop(), asyncio.Event()
        self.lanes.tell(lambda waiting: loop.call_soon_threadsafe(held.set) if waiting >= number else None)
        if self.lanes.waiting < number:
            async with asyncio.timeout(HANGS_S):
                await held.wait()


@pytest.fixture
async def queue(settings: Settings, user: User, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Queue]:
    """A running service; refusals are held back until ``sleep`` is awake."""
    stop_time(monkeypatch)
    trusting = Settings(**{**settings.model_dump(), "trusted_proxies": "127.0.0.0/8"})
    settings = settings.model_copy(update={"trusted_proxies": trusting.trusted_proxies})
    async with open_store(settings.database_url.get_secret_value()) as store:
        await store.add_user(user, FAST_HASHER.hash(PASSWORD), now=START_MS)
    hasher, sleep = GatedHasher(), HeldBack()
    lanes = Lanes(1, patience_s=600, deadline_s=600)
    passwords = Passwords(hasher, lanes=lanes)
    app = create_app(settings, make_passwords=lambda: passwords, delayed=DelayedRefusal(sleep))
    async with TestClient(AuthServer(app, settings)) as client:
        yield Queue(client, lanes, hasher.gate, sleep)
        sleep.awake.set()
        hasher.gate.set()


async def test_a_full_hashing_queue_answers_busy(queue: Queue) -> None:
    """With seventeen places for each core taken, a log-in gets 503 busy a second late; the rest are answered."""
    waiting = [queue.join(f"name {number}", f"192.0.2.{number}") for number in range(17)]
    await queue.hold(17)
    late = queue.join("zs", "198.51.100.1")
    await queue.sleep.asleep.wait()
    assert not any(login.done() for login in (late, *waiting))
    queue.sleep.awake.set()
    refused = await late

    assert (503, "busy") == (refused.status, (await refused.json())["error"])
    assert ([1.0], "1", 17) == (queue.sleep.seconds, refused.headers["Retry-After"], queue.lanes.waiting)
    queue.gate.set()
    assert {401} == {response.status for response in await asyncio.gather(*waiting)}


async def guess(queue: Queue, networks: int, times: int) -> None:
    """Fail so many times from each network."""
    queue.gate.set()
    for number in range(networks):
        for time in range(times):
            assert 401 == (await queue.join(f"name {time}", f"192.0.2.{number}", "wrong")).status
    queue.gate.clear()


async def answered(knocking: Sequence[asyncio.Task[ClientResponse]], number: int) -> None:
    """Return when so many are answered."""
    async with asyncio.timeout(HANGS_S):
        for one in islice(asyncio.as_completed(knocking), number):
            await one


@pytest.mark.parametrize(
    ("flood", "share"), [("one right password", 4), ("one network", 8), ("fifty networks that guess", 8)]
)
async def test_a_flood_leaves_room_for_others(queue: Queue, flood: str, share: int) -> None:
    """Whoever knocks without end, others get a place in the queue, and are answered."""
    queue.sleep.awake.set()
    if flood == "fifty networks that guess":
        await guess(queue, networks=50, times=5)
    knocking = [
        queue.join(
            "zs" if flood == "one right password" else f"name {number}",
            "192.0.2.1" if flood == "one network" else f"192.0.2.{number}",
        )
        for number in range(50)
    ]
    await queue.hold(share)
    others = [queue.join(f"other {number}", f"198.51.100.{number}") for number in range(4)]
    await queue.hold(share + 4)
    await answered(knocking, 50 - share)
    queue.gate.set()

    assert [401] * 4 == [response.status for response in await asyncio.gather(*others)]
    assert 50 - share == [response.status for response in await asyncio.gather(*knocking)].count(503)


async def test_a_change_of_password_without_room_is_refused_first(queue: Queue) -> None:
    """Before the session or the database is looked at, and a second late, as log-ins are."""
    queue.gate.set()
    token = (await (await queue.join("zs", "192.0.2.1")).json())["access_token"]
    queue.gate.clear()
    knocking = [queue.join("zs", f"192.0.2.{number}") for number in range(4)]
    await queue.hold(4)
    headers = {"Authorization": f"Bearer {token}"}
    change = asyncio.create_task(queue.client.post("/password", data=b"not looked at", headers=headers))
    await queue.sleep.asleep.wait()
    queue.sleep.awake.set()
    refused = await change

    assert (503, "busy") == (refused.status, (await refused.json())["error"])
    assert [1.0] == queue.sleep.seconds
    queue.gate.set()
    assert {200} == {response.status for response in await asyncio.gather(*knocking)}
