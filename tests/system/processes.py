"""The services as an operator runs them: processes, started, killed and started again at will. Logs outlive them."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from yarl import URL

from tests.deadline import HANGS_S
from tests.forked import REPOSITORY, Forked, python_m

PASSWORD = "correct horse battery staple"
# Root may write what is read-only, unless it gives that up: PR_CAPBSET_DROP of CAP_DAC_OVERRIDE, see capabilities(7).
_OBEY_FILE_MODES = "import ctypes, os, sys; ctypes.CDLL(None).prctl(24, 1); os.execv(sys.argv[1], sys.argv[1:])"

Settings = Mapping[str, object]


def environment(settings: Settings) -> dict[str, str]:
    """Return this process's environment with *settings* and no other of the services' variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AUTH_", "RESOURCE_"))}
    return {**inherited, **{name: str(value) for name, value in settings.items()}}


async def run(
    package: str, *arguments: str, settings: Settings, stdin: str = "", obeys_file_modes: bool = False
) -> tuple[int, str, str]:
    """Run a command of ``python -m package`` to its end; return exit status, output and error."""
    env = environment(settings)
    if obeys_file_modes and os.geteuid() == 0:
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-c", _OBEY_FILE_MODES, sys.executable, "-m", package, *arguments)
        process: asyncio.subprocess.Process | Forked = await asyncio.create_subprocess_exec(
            *command, cwd=REPOSITORY, env=env, stdin=pipe, stdout=pipe, stderr=pipe
        )
    else:
        process = await python_m(package, *arguments, env=env)
    out, err = await asyncio.wait_for(process.communicate(stdin.encode()), HANGS_S)
    return process.returncode or 0, out.decode(), err.decode()


async def succeed(package: str, *arguments: str, settings: Settings, stdin: str = "") -> str:
    """Run a command that must succeed; return its output."""
    status, out, err = await run(package, *arguments, settings=settings, stdin=stdin)
    assert 0 == status, err
    return out


class DidNotStart(Exception):
    """The process ended before it was ready. ``status`` is its exit status."""

    def __init__(self, status: int, log: str) -> None:
        super().__init__(f"exit status {status}: {log[-2000:]}")
        self.status = status


class Service:
    """One ``python -m package serve``. After a restart it is the same service, on another port unless it is set.

    Args:
        package: ``auth_service`` or ``resource_service``.
        log: the file that its standard error is added to.
        settings: its variables.

    Attributes:
        url: its address, without a slash at the end; set by ``start``.
        settings: those of the next start.
        killed: whether SIGKILL ended it, so that its exit status is none of its own.
    """

    def __init__(self, package: str, log: Path, settings: Settings) -> None:
        self.url, self.settings, self.killed = URL(), dict(settings), False
        self._package, self._log = package, log
        self._process: asyncio.subprocess.Process | Forked | None = None
        self._kept: str | None = None
        self._printed = b""

    @property
    def pid(self) -> int:
        """Return the id of the running process; it leads a process group of its own."""
        assert self._process is not None
        return self._process.pid

    @property
    def port(self) -> int:
        """Return where it listens; 0 before its first start."""
        return self.url.port or 0

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def stdout(self) -> str:
        """What it has printed after the line with its address, in all its lives that have ended."""
        return self._printed.decode()

    @property
    def stderr(self) -> str:
        """What it has logged so far, in all its lives."""
        return self._log.read_text(errors="replace") if self._kept is None else self._kept

    def keep_log(self) -> None:
        """Remember what it has logged, for the file goes away."""
        self._kept = self.stderr

    async def start(self) -> Self:
        """Start; return when it says that it listens.

        Raises:
            DidNotStart: it ended instead.
        """
        if self._process is not None:
            await self.ended()
        self.killed = False
        with self._log.open("ab") as log:
            self._process = await python_m(self._package, "serve", env=environment(self.settings), stderr=log)
        assert self._process.stdout is not None
        async with asyncio.timeout(HANGS_S):
            line = (await self._process.stdout.readline()).decode()
        if not line:
            raise DidNotStart(await self.ended(), self.stderr)
        prefix = f"{self._package} listening on "
        assert line.startswith(prefix), line
        self.url = URL(line.removeprefix(prefix).strip())
        return self

    async def start_when_possible(self) -> None:
        """Start, again and again as a supervisor does, until the database lets it."""
        async with asyncio.timeout(HANGS_S):
            while True:
                try:
                    await self.start()
                except DidNotStart as exc:
                    # Exit status 2 names a problem; anything else would be a crash.
                    if exc.status != 2:
                        raise
                else:
                    return

    def signal(self, number: int) -> None:
        """Send a signal to the process alone, not to its workers."""
        os.kill(self.pid, number)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """SIGSTOP at the beginning, SIGCONT at the end."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def terminate(self) -> None:
        """Send SIGTERM; do not wait."""
        self.signal(signal.SIGTERM)

    async def stop(self) -> int:
        """Send SIGTERM; return the exit status."""
        self.terminate()
        return await self.ended()

    def kill_at_once(self) -> None:
        """Send SIGKILL to the process and its workers; do not wait."""
        self.killed = True
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    async def kill(self) -> None:
        """Send SIGKILL to the process and its workers, and wait."""
        if self._process is not None:
            self.kill_at_once()
            await self.ended()

    async def ended(self) -> int:
        """Return the exit status, once it has ended."""
        assert self._process is not None
        async with asyncio.timeout(HANGS_S):
            printed, _ = await self._process.communicate()
        self._printed += printed
        assert self._process.returncode is not None
        return self._process.returncode

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the log's events of that name, those of processes killed since included."""
        return [event for event in self._events() if event.get("event") == name]

    def _events(self) -> Iterator[dict[str, Any]]:
        for line in self.stderr.splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue  # a line that SIGKILL cut, or what a start-up error prints


@contextmanager
def no_leftovers(*services: Service) -> Iterator[None]:
    """Kill what still runs at the end, whatever happened."""
    try:
        yield
    finally:
        for service in services:
            if service.is_running:
                service.kill_at_once()


@asynccontextmanager
async def serving(package: str, settings: Settings) -> AsyncIterator[Service]:
    """Run a service until the block ends; then it must end well, unless it was killed. Its log is shown."""
    with TemporaryDirectory() as folder:
        service = Service(package, Path(folder) / "log", settings)
        try:
            await service.start()
            yield service
            if service.is_running:
                service.terminate()
            status = await service.ended()
            assert service.killed or status == 0
        finally:
            if service.is_running:
                await service.kill()
            service.keep_log()
            sys.stderr.write(f"--- log of {package}\n{service.stderr}")  # shown where a test failed


@dataclass(frozen=True)
class Deployment:
    """Keys, a database and a user, made by the command line, and the settings of both services."""

    folder: Path
    auth: dict[str, object]
    resource: dict[str, object]

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.folder / "auth.db"

    @asynccontextmanager
    async def auth_service(self, **settings: object) -> AsyncIterator[Service]:
        """Run the auth service."""
        async with serving("auth_service", {**self.auth, **settings}) as service:
            yield service

    @asynccontextmanager
    async def resource_service(self, **settings: object) -> AsyncIterator[Service]:
        """Run the resource service."""
        async with serving("resource_service", {**self.resource, **settings}) as service:
            yield service


def deployment_in(folder: Path) -> Deployment:
    """Return the settings of services that keep everything in *folder*."""
    auth = {
        "AUTH_PORT": 0,
        "AUTH_DATABASE_URL": f"sqlite:///{folder / 'auth.db'}",
        "AUTH_ACCESS_KEYS": folder / "keys" / "access.jwks.json",
        "AUTH_REFRESH_KEYS": folder / "keys" / "refresh.jwks.json",
    }
    resource = {"RESOURCE_PORT": 0, "RESOURCE_KEYS": folder / "keys" / "access.jwks.json"}
    return Deployment(folder, auth, resource)


async def prepare(deployment: Deployment) -> None:
    """Make the keys and the user ``zs``, as an operator does."""
    auth = deployment.auth
    await succeed("auth_service", "keys", "init", "--dir", str(deployment.folder / "keys"), settings=auth)
    add = ("users", "add", "zs", "--email", "zs@example.org")
    await succeed("auth_service", *add, settings=auth, stdin=f"{PASSWORD}\n")
