"""The services as an operator runs them: processes, on ports that the system chooses."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from yarl import URL

REPOSITORY = Path(__file__).parents[2]
PASSWORD = "correct horse battery staple"
_DEADLINE_S = 30


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """Return this process's environment with *settings* and no other of the services' variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AUTH_", "RESOURCE_"))}
    return {**inherited, **{name: str(value) for name, value in settings.items()}}


async def spawn(package: str, *arguments: str, settings: Mapping[str, object]) -> asyncio.subprocess.Process:
    """Start ``python -m package``."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", package, *arguments),
        cwd=REPOSITORY,
        env=environment(settings),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
    )


async def run(package: str, *arguments: str, settings: Mapping[str, object], stdin: str = "") -> tuple[int, str, str]:
    """Run a command to its end; return exit status, output and error."""
    process = await spawn(package, *arguments, settings=settings)
    out, err = await asyncio.wait_for(process.communicate(stdin.encode()), _DEADLINE_S)
    return process.returncode or 0, out.decode(), err.decode()


async def succeed(package: str, *arguments: str, settings: Mapping[str, object], stdin: str = "") -> str:
    """Run a command that must succeed; return its output."""
    status, out, err = await run(package, *arguments, settings=settings, stdin=stdin)
    assert 0 == status, err
    return out


@dataclass
class Service:
    """A running service. Its log is kept, and shown when it ends badly."""

    process: asyncio.subprocess.Process
    url: URL
    log: list[bytes] = field(default_factory=list)
    printed: list[bytes] = field(default_factory=list)
    killed: bool = False

    @property
    def stdout(self) -> str:
        """What it has printed after the line with its address."""
        return b"".join(self.printed).decode()

    @property
    def stderr(self) -> str:
        """What it has logged so far."""
        return b"".join(self.log).decode()

    def terminate(self) -> None:
        """Send SIGTERM; do not wait."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL: it ends badly, as it should."""
        self.killed = True
        self.process.kill()

    async def ended(self) -> int:
        """Return the exit status, once it has ended."""
        return await asyncio.wait_for(self.process.wait(), _DEADLINE_S)


@asynccontextmanager
async def serving(package: str, settings: Mapping[str, object]) -> AsyncIterator[Service]:
    """Run ``python -m package serve`` until the block ends; then it must end well."""
    process = await spawn(package, "serve", settings=settings)
    assert process.stdout is not None
    assert process.stderr is not None
    log: list[bytes] = []
    reading = asyncio.create_task(_collect(process.stderr, log))
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), _DEADLINE_S)).decode()
        prefix = f"{package} listening on "
        assert line.startswith(prefix), f"{package} did not start: {line}"
        service = Service(process, URL(line.removeprefix(prefix).strip()), log)
        listening = asyncio.create_task(_collect(process.stdout, service.printed))
        yield service
        if process.returncode is None:
            service.terminate()
        status = await service.ended()
        await listening
        assert service.killed or status == 0
    except BaseException:
        sys.stderr.write(f"--- log of {package}\n")
        raise
    finally:
        if process.returncode is None:
            process.kill()
        await reading
        await process.communicate()  # closes the pipes
        sys.stderr.write(b"".join(log).decode())  # shown where a test failed


async def _collect(stream: asyncio.StreamReader, log: list[bytes]) -> None:
    while line := await stream.readline():
        log.append(line)


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
