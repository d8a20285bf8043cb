"""Several processes on one port."""

import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.postgresql import children
from tests.resource_service.issuer import Key
from tests.resource_service.services import bearer
from tests.system.certificates import issue
from tests.system.eventually import eventually
from tests.system.processes import Service, serving

Broken = Callable[[Path], AbstractContextManager[None]]


@pytest.fixture
async def service(key_file: Path, tmp_path: Path) -> AsyncIterator[Service]:
    """Two workers that serve over TLS."""
    tls = issue(tmp_path)
    settings = {"KEYS": key_file, "TLS_CERT": tls.certificate, "TLS_KEY": tls.key, "PORT": 0, "WORKERS": 2}
    async with serving("resource_service", {f"RESOURCE_{name}": value for name, value in settings.items()}) as service:
        await eventually(lambda: _both_serve(service))
        yield service


@contextmanager
def key_file_for_all(folder: Path) -> Iterator[None]:
    """Let everybody read the shared key."""
    (folder / "access.jwks.json").chmod(0o644)
    yield
    (folder / "access.jwks.json").chmod(0o600)


@contextmanager
def half_a_certificate(folder: Path) -> Iterator[None]:
    """Write the certificate in place, slowly."""
    whole = (folder / "server.pem").read_bytes()
    (folder / "server.pem").write_bytes(whole[: len(whole) // 2])
    yield
    (folder / "server.pem").write_bytes(whole)


async def test_a_worker_that_dies_is_replaced(service: Service, key: Key, times: dict[str, int]) -> None:
    """Several workers share one port and one ready line; when one is killed, another takes its place."""
    victim, healthy = children(service.pid)
    os.kill(victim, signal.SIGKILL)
    await eventually(lambda: _both_serve(service))

    assert 200 == await _home(service, key.token(**times))
    assert healthy in children(service.pid)
    assert (0, "") == (await service.stop(), service.stdout)


@pytest.mark.parametrize("broken", [key_file_for_all, half_a_certificate])
async def test_a_worker_that_cannot_be_replaced_yet_leaves_the_others_alone(
    service: Service, tmp_path: Path, key: Key, times: dict[str, int], broken: Broken
) -> None:
    """A worker dies while key file or certificate are bad: the other serves, and another as soon as they are good."""
    victim, healthy = children(service.pid)
    with broken(tmp_path):
        os.kill(victim, signal.SIGKILL)
        await eventually(lambda: len(service.events("worker.waiting")) >= 2)
        meanwhile = await _home(service, key.token(**times))
    await eventually(lambda: _both_serve(service))

    assert 200 == meanwhile
    assert healthy in children(service.pid)
    assert 0 == await service.stop()


async def test_a_worker_that_cannot_begin_ends_with_the_others(service: Service, tmp_path: Path) -> None:
    """SIGTERM ends a replacement that still waits for its key file, too."""
    with key_file_for_all(tmp_path):
        os.kill(children(service.pid)[0], signal.SIGKILL)
        await eventually(lambda: bool(service.events("worker.waiting")))

        assert 0 == await service.stop()


def _both_serve(service: Service) -> bool:
    workers = children(service.pid)
    ready = {event["pid"] for event in service.events("worker.ready")}
    return len(workers) == 2 and ready.issuperset(workers)


async def _home(service: Service, token: str) -> int:
    connector = aiohttp.TCPConnector(force_close=True, ssl=False)  # who shows the certificate is not the point here
    async with (
        aiohttp.ClientSession(connector=connector) as http,
        http.get(service.url / "home", headers=bearer(token)) as response,
    ):
        return response.status
