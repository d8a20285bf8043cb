"""A real Redis server, for the tests that need one: ``redis-server`` of the machine (Debian's package of that name)."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from tests.deadline import HANGS_S
from tests.ports import held_ports


@dataclass
class RedisServer:
    """One server process on a port of its own, without persistence."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL as ``AUTH_LIMITS_URL`` takes it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it; return when it answers."""
        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder))
        self.process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + HANGS_S
        with redis.Redis(port=self.port) as client:
            while not _answers(client):
                assert time.monotonic() < deadline, "redis-server does not answer"
                time.sleep(0.02)

    def kill(self) -> None:
        """End it as a power cut does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """Yield a running server; skip the test where the machine has none."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed (Debian package redis-server)")
    with held_ports(1) as (port,):
        server = RedisServer(folder, port)
        server.start()
        try:
            yield server
        finally:
            server.kill()
