"""Both services as child processes, in a temporary folder, for the demonstration and for play."""

import asyncio
import contextlib
import os
import re
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from client.errors import ClientError

READY_S: Final = 60.0
STOP_S: Final = 15.0
LOG_TAIL: Final = 15  # lines
USERNAME: Final = "zs"
_READY: Final = re.compile(r"listening on (https?://\S+)")
# Where the three packages stand beside each other: a checkout, or site-packages.
_ROOT: Final = Path(__file__).resolve().parent.parent


class ServiceFailed(ClientError):
    """A service did not start; the message ends with the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Services:
    """Where the services listen, and who may log in."""

    auth_url: str
    api_url: str
    username: str
    password: str = field(repr=False)


@asynccontextmanager
async def running_services(
    *, access_ttl_s: int, leeway_s: int = 5, auth_port: int = 0, resource_port: int = 0, page_origin: str = ""
) -> AsyncIterator[Services]:
    """Run an auth service on SQLite and a resource service, with new keys and one user.

    Args:
        access_ttl_s: life of an access token, in seconds.
        leeway_s: how long after its expiry the resource service still takes it.
        auth_port: 0: any free one.
        resource_port: likewise.
        page_origin: of a web page that may call both.

    Raises:
        ServiceFailed: one did not start.
    """
    with tempfile.TemporaryDirectory(prefix="dualtoken-") as name:
        folder = Path(name)
        environment = _environment(folder, access_ttl_s, leeway_s, auth_port, resource_port)
        environment |= {"AUTH_CORS_ORIGINS": page_origin, "RESOURCE_CORS_ORIGINS": page_origin}
        password = secrets.token_urlsafe(12)
        await _run(environment, "auth_service", "keys", "init", "--dir", str(folder))
        await _run(
            environment, "auth_service", "users", "add", USERNAME, "--email", f"{USERNAME}@example.org",
            "--scope", "read write", line=password,
        )  # fmt: skip
        async with AsyncExitStack() as stack:
            auth_url = await stack.enter_async_context(_serving("auth_service", environment, folder))
            environment |= {"RESOURCE_REVOCATIONS_URL": f"{auth_url}/revocations"}
            api_url = await stack.enter_async_context(_serving("resource_service", environment, folder))
            yield Services(auth_url, api_url, USERNAME, password)


def _environment(folder: Path, access_ttl_s: int, leeway_s: int, auth_port: int, resource_port: int) -> dict[str, str]:
    issuer, audience, secret = "http://localhost/auth", "http://localhost/api", secrets.token_urlsafe(32)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AUTH_", "RESOURCE_"))}
    return inherited | {
        "AUTH_HOST": "127.0.0.1",
        "AUTH_PORT": str(auth_port),
        "AUTH_DATABASE_URL": f"sqlite:///{folder / 'auth.db'}",
        "AUTH_ISSUER": issuer,
        "AUTH_AUDIENCE": audience,
        "AUTH_ACCESS_KEYS": str(folder / "access.jwks.json"),
        "AUTH_REFRESH_KEYS": str(folder / "refresh.jwks.json"),
        "AUTH_ACCESS_TTL_S": str(access_ttl_s),
        "AUTH_SERVICE_SECRET": secret,
        "RESOURCE_HOST": "127.0.0.1",
        "RESOURCE_PORT": str(resource_port),
        "RESOURCE_ISSUER": issuer,
        "RESOURCE_AUDIENCE": audience,
        "RESOURCE_KEYS": str(folder / "access.jwks.json"),
        "RESOURCE_LEEWAY_S": str(leeway_s),
        "RESOURCE_SERVICE_SECRET": secret,
        "PYTHONUNBUFFERED": "1",
    }


async def _run(environment: Mapping[str, str], *arguments: str, line: str = "") -> None:
    """Run one command to its end; *line* goes to its standard input, where a password belongs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, cwd=_ROOT, env=environment,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate(f"{line}\n".encode())
    if process.returncode != 0:
        raise ServiceFailed(f"python -m {' '.join(arguments[:3])} failed:\n{_tail(output.decode(errors='replace'))}")


@asynccontextmanager
async def _serving(package: str, environment: Mapping[str, str], folder: Path) -> AsyncIterator[str]:
    """Run a service until the end of the block; yield its address."""
    log = folder / f"{package}.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", package, "serve", cwd=_ROOT, env=environment,
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
