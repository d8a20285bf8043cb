"""The demonstration, and both services as child processes."""

import asyncio
import errno
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from dualtoken.client import ConfigurationError, TokenSource
from dualtoken.client.playground.services import ServiceFailed, running_services
from tests.deadline import HANGS_S
from tests.ports import held_ports

ROOT = Path(__file__).resolve().parents[3]


async def client(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    """Start a command of the client."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "client", *arguments),
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_the_services_run_and_end_with_their_block() -> None:
    """A user can log in; afterwards nobody listens, and no file is left."""
    with held_ports(2) as [auth_port, resource_port]:
        async with (
            running_services(access_ttl_s=60, auth_port=auth_port, resource_port=resource_port) as services,
            TokenSource(services.auth_url) as source,
        ):
            tokens = await source.login(services.username, services.password)
        errors = [await connect(url) for url in (services.auth_url, services.api_url)]

    assert 60 == tokens.expires_in
    assert [errno.ECONNREFUSED] * 2 == errors
    assert services.password not in repr(services)


async def connect(url: str) -> int:
    """Return the error number of a connection; 0 if there is one."""
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as probe:
        probe.settimeout(HANGS_S)
        return await asyncio.to_thread(probe.connect_ex, (host, int(port)))


async def test_a_service_that_does_not_start_is_shown() -> None:
    """The error ends with what the service said."""
    with pytest.raises(ServiceFailed, match=r"auth_service did not start:\n(.|\n)*AUTH_CORS_ORIGINS"):
        async with running_services(access_ttl_s=60, page_origin="*"):
            pytest.fail("started")


async def test_a_port_that_is_taken_is_named() -> None:
    """It is told before anything starts."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} is not available"):
            async with running_services(access_ttl_s=60, auth_port=port):
                pytest.fail("started")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_demonstration_that_is_broken_off_leaves_nothing(tmp_path: Path, number: int, code: int) -> None:
    """No process, no file, no traceback."""
    process = await client("demo", TMPDIR=str(tmp_path), COLUMNS="200")
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    process.send_signal(number)
    _, errors = await process.communicate()

    assert (code, b"") == (process.returncode, errors)
    assert [errno.ECONNREFUSED] * 2 == [await connect(url) for url in re.findall(r"http://\S+", line)]
    assert [] == names(tmp_path)


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return [file.name for file in folder.iterdir()]


@pytest.fixture
def auth_port() -> Iterator[int]:
    """A port that nobody else gets, even when the service that had it is gone."""
    with held_ports(1) as [port]:
        yield port


async def test_up_runs_everything_until_ctrl_c(tmp_path: Path, auth_port: int) -> None:
    """What it prints is enough to log in and call; it ends cleanly."""
    token_file = {"DUALTOKEN_TOKEN_FILE": str(tmp_path / "tokens")}
    ports = ("--auth-port", str(auth_port), "--resource-port", "0", "--page-port", "0")
    process = await client("up", *ports, COLUMNS="200")
    assert process.stdout is not None
    text = ""
    while "Ctrl-C ends" not in text:
        line = await process.stdout.readline()
        assert line, (await process.communicate())[1]
        text += line.decode()
    page_url, auth_url, api_url, password = (
        re.search(rf"{name} +(\S+)", text) for name in ("web page", "auth service", "resource service", "password")
    )
    assert page_url
    assert auth_url
    assert api_url
    assert password
    login = await client("login", "--auth", auth_url[1], "--user", "zs", **token_file)
    _, errors = await login.communicate(f"{password[1]}\n".encode())
    assert (0, b"logged in as zs\n") == (login.returncode, errors)
    get = await client("get", f"{api_url[1]}/home", **token_file)
    output, _ = await get.communicate()
    assert (0, True) == (get.returncode, b'"username"' in output)

    async with aiohttp.ClientSession(headers={"Origin": page_url[1]}) as http:
        async with http.get(f"{page_url[1]}/config.json") as config:
            called = await config.json()
        calls = (http.post(f"{called['authUrl']}/refresh"), http.get(f"{called['apiUrl']}/home"))
        allowed = [(await call).headers["Access-Control-Allow-Origin"] for call in calls]

    assert [page_url[1]] * 2 == allowed

    process.send_signal(signal.SIGINT)
    await process.communicate()
    assert 0 == process.returncode
    assert errno.ECONNREFUSED == await connect(auth_url[1])
