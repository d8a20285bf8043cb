"""Both services as child processes, in a temporary folder, for the demonstration and for play."""

import asyncio
import contextlib
import os
import re
import secrets
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..commands.invocation import python_module, require_extra, working_folder
from ..errors import ClientError, ConfigurationError

# Both end what hangs, on a machine that is forty times slower than a good one.
READY_S: Final = 600.0
STOP_S: Final = 120.0
LOG_TAIL: Final = 15  # lines
USERNAME: Final = "zs"
_READY: Final = re.compile(r"listening on (https?://\S+)")
# What the services need beside what this package does: see their extras.
_LIBRARIES: Final = ("aiohttp_cors", "alembic", "argon2", "jwt", "prometheus_client", "pydantic_settings", "sqlalchemy")


class ServiceFailed(ClientError):
    """A service did not start; the message ends with the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Services:
    """Where the services listen, and who may log in."""

    auth_url: str
    api_url: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Deployment:
    """Keys, a database and one user, in a folder of their own."""

    folder: Path
    password: str = field(repr=False)
    service_secret: str = field(repr=False)

    @asynccontextmanager
    async def serving(
        self,
        *,
        access_ttl_s: int,
        leeway_s: int = 5,
        auth_port: int = 0,
        resource_port: int = 0,
        page_origin: str = "",
    ) -> AsyncIterator[Services]:
        """Run an auth service on SQLite and a resource service; sessions outlive the block.

        Args:
            access_ttl_s: life of an access token, in seconds.
            leeway_s: how long after its expiry the resource service still takes it.
            auth_port: 0: any free one.
            resource_port: likewise.
            page_origin: of a web page that may call both; several with spaces between.

        Raises:
            ConfigurationError: a port is taken.
            ServiceFailed: one did not start.
        """
        for port in (auth_port, resource_port):
            _require_free(port)
        environment = _environment(self.folder, self.service_secret) | {
            "AUTH_PORT": str(auth_port),
            "AUTH_ACCESS_TTL_S": str(access_ttl_s),
            # Pages and commands prove their keys for these; a port that is yet to be chosen is not known here.
            "AUTH_DPOP_HTU": f"http://localhost:{auth_port} http://127.0.0.1:{auth_port}" if auth_port else "",
            "AUTH_CORS_ORIGINS": page_origin,
            "AUTH_REFRESHES_PER_MINUTE": "0",  # one machine plays all the users
            "AUTH_LISTINGS_PER_MINUTE": "0",
            "RESOURCE_PORT": str(resource_port),
            "RESOURCE_LEEWAY_S": str(leeway_s),
            "RESOURCE_CORS_ORIGINS": page_origin,
        }
        async with AsyncExitStack() as stack:
            auth_url = await stack.enter_async_context(_serving("auth_service", environment, self.folder))
            environment |= {"RESOURCE_REVOCATIONS_URL": f"{auth_url}/revocations"}
            api_url = await stack.enter_async_context(_serving("resource_service", environment, self.folder))
            yield Services(auth_url, api_url, USERNAME, self.password)


@asynccontextmanager
async def new_deployment() -> AsyncIterator[Deployment]:
    """Make new keys and one user; the end of the block removes all of it.

    Raises:
        ConfigurationError: the extras that bring the services are not installed.
        ServiceFailed: a command of the auth service failed.
    """
    require_extra("auth,resource", *_LIBRARIES)
    with tempfile.TemporaryDirectory(prefix="dualtoken-") as name:
        deployment = Deployment(Path(name), secrets.token_urlsafe(12), secrets.token_urlsafe(32))
        environment = _environment(deployment.folder, deployment.service_secret)
        await _run(environment, "auth_service", "keys", "init", "--dir", name)
        await _run(
            environment, "auth_service", "users", "add", USERNAME, "--email", f"{USERNAME}@example.org",
            "--scope", "read write", line=deployment.password,
        )  # fmt: skip
        yield deployment


@asynccontextmanager
async def running_services(*, access_ttl_s: int, **settings: Any) -> AsyncIterator[Services]:
    """Run both services on a new deployment; *settings* as for :meth:`Deployment.serving`.

    Raises:
        ConfigurationError: the extras that bring them are not installed.
        ConfigurationError: the extras that bring them are not installed.
        ServiceFailed: one did not start.
    """
    async with new_deployment() as deployment, deployment.serving(access_ttl_s=access_ttl_s, **settings) as services:
        yield services


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the services do
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            problem = f"port {port} is not available: {error.strerror}: name another (0: any free port)"
            raise ConfigurationError(problem) from None


def _environment(folder: Path, secret: str) -> dict[str, str]:
    issuer, audience = "http://localhost/auth", "http://localhost/api"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AUTH_", "RESOURCE_"))}
    return inherited | {
        "AUTH_HOST": "127.0.0.1",
        "AUTH_DATABASE_URL": f"sqlite:///{folder / 'auth.db'}",
        "AUTH_ISSUER": issuer,
        "AUTH_AUDIENCE": audience,
        "AUTH_ACCESS_KEYS": str(folder / "access.jwks.json"),
        "AUTH_REFRESH_KEYS": str(folder / "refresh.jwks.json"),
        "AUTH_SERVICE_SECRET": secret,
        "RESOURCE_HOST": "127.0.0.1",
        "RESOURCE_ISSUER": issuer,
        "RESOURCE_AUDIENCE": audience,
        "RESOURCE_KEYS": str(folder / "access.jwks.json"),
        "RESOURCE_SERVICE_SECRET": secret,
        "PYTHONUNBUFFERED": "1",
    }


async def _run(environment: Mapping[str, str], package: str, *arguments: str, line: str = "") -> None:
    """Run one command to its end; *line* goes to its standard input, where a password belongs."""
    process = await asyncio.create_subprocess_exec(
        *python_module(package), *arguments, cwd=working_folder(), env=environment,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate(f"{line}\n".encode())
    if process.returncode != 0:
        raise ServiceFailed(f"{package} {' '.join(arguments[:2])} failed:\n{_tail(output.decode(errors='replace'))}")


@asynccontextmanager
async def _serving(package: str, environment: Mapping[str, str], folder: Path) -> AsyncIterator[str]:
    """Run a service until the end of the block; yield its address."""
    log = folder / f"{package}.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *python_module(package), "serve", cwd=working_folder(), env=environment,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=errors,
            start_new_session=True,  # Ctrl-C is for whoever started it, who may need it for a while
        )  # fmt: skip
    try:
        yield await _address(package, process, log)
    finally:
        await _stop(process)


async def _address(package: str, process: asyncio.subprocess.Process, log: Path) -> str:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READY_S):
            async for line in process.stdout:
                if (ready := _READY.search(line.decode(errors="replace"))) is not None:
                    return ready[1]
    text = await asyncio.to_thread(log.read_text, errors="replace")
    raise ServiceFailed(f"{package} did not start:\n{_tail(text)}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-LOG_TAIL:])
