import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from dualtoken.resource_service import __version__
from tests.ports import held_ports
from tests.resource_service.issuer import Key, write_keys
from tests.resource_service.processes import failed_start, resource_process
from tests.resource_service.services import bearer


async def test_one_line_says_that_the_service_is_ready(key_file: Path, key: Key, times: dict[str, int]) -> None:
    """The line names the address; from then on requests are served, and SIGTERM ends the process well."""
    async with resource_process(keys=key_file) as process, aiohttp.ClientSession() as session:
        async with session.get(process.url / "home", headers=bearer(key.token(**times))) as answer:
            assert 200 == answer.status
        assert (0, "") == (await process.stop())[:2]


async def test_logs_are_json_lines(key_file: Path) -> None:
    """Whatever goes to standard error can be read by a machine."""
    async with resource_process(keys=key_file) as process:
        _, _, logged = await process.stop()

    assert "keys.loaded" in [json.loads(line)["event"] for line in logged.splitlines()]


async def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    """One line for each setting that is wrong; no trace, and no secret."""
    settings = {
        "port": 70000,
        "leeway_s": "a while",
        "cors_origins": "*",
        "jwks_url": "http://auth.example/jwks.json",
        "revocations_url": "ftp://auth/revocations",
        "revocations_stale": "perhaps",
        "service_secret": "hush",
        "service_secret_file": "/hush",
        "keys": tmp_path / "access.jwks.json",
        "tls_cert": "cert.pem",
    }

    status, out, err = await failed_start(**settings)

    assert (2, "") == (status, out)
    assert [
        "RESOURCE_CORS_ORIGINS",
        "RESOURCE_JWKS_URL",
        "RESOURCE_KEYS, RESOURCE_JWKS_URL",
        "RESOURCE_LEEWAY_S",
        "RESOURCE_PORT",
        "RESOURCE_REVOCATIONS_STALE",
        "RESOURCE_REVOCATIONS_URL",
        "RESOURCE_SERVICE_SECRET, RESOURCE_SERVICE_SECRET_FILE",
        "RESOURCE_TLS_CERT, RESOURCE_TLS_KEY",
    ] == sorted(line.removeprefix("resource_service: ").partition(":")[0] for line in err.splitlines())
    assert "hush" not in err.replace("/hush", "")


async def test_keys_are_needed() -> None:
    """A verifier without keys is not started by mistake."""
    assert (
        2,
        "",
        "resource_service: RESOURCE_KEYS, RESOURCE_JWKS_URL: exactly one of them is needed\n",
    ) == await failed_start()


async def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    """One line, exit status 2."""
    path = tmp_path / "access.jwks.json"

    assert (2, "", f"resource_service: key file {path}: No such file or directory\n") == await failed_start(keys=path)


async def test_a_secret_key_file_that_others_may_read_is_named(tmp_path: Path) -> None:
    """One line, exit status 2, with one worker or several."""
    path = write_keys(tmp_path / "access.jwks.json", Key(), mode=0o644)
    expected = f"resource_service: key file {path}: others may use the secrets in it (mode 0644, not 0600)\n"

    assert [(2, "", expected)] * 2 == [await failed_start(keys=path, workers=workers) for workers in (1, 2)]


async def test_a_port_in_use_is_named(key_file: Path) -> None:
    """One line, exit status 2, with one worker or several."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        way_out = "set RESOURCE_HOST or RESOURCE_PORT (0: any free one)"
        expected = f"resource_service: cannot listen on 127.0.0.1:{port}: Address already in use: {way_out}\n"

        assert [(2, "", expected)] * 2 == [
            await failed_start(keys=key_file, port=port, workers=workers) for workers in (1, 2)
        ]


async def test_an_unusable_certificate_is_named(key_file: Path, tmp_path: Path) -> None:
    """One line, exit status 2."""
    status, _, err = await failed_start(keys=key_file, tls_cert=tmp_path / "no.pem", tls_key=tmp_path / "no.key")

    assert (2, "resource_service: RESOURCE_TLS_CERT, RESOURCE_TLS_KEY: No such file or directory\n") == (status, err)


@pytest.mark.skipif(os.name != "posix", reason="closes streams in a shell")
@pytest.mark.parametrize("closing", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
async def test_a_closed_stream_stops_nothing(key_file: Path, closing: str) -> None:
    """A supervisor may close any of the three: it serves all the same."""
    with held_ports(1) as [port]:
        await _serves_and_ends(key_file, port, closing)


async def _serves_and_ends(key_file: Path, port: int, closing: str) -> None:
    url = URL(f"http://127.0.0.1:{port}")
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f'exec "$@" {closing}', "sh", sys.executable, "-m", "resource_service", "serve"),
        env={**os.environ, "RESOURCE_KEYS": str(key_file), "RESOURCE_PORT": str(port)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with aiohttp.ClientSession() as session:
            await until_it_answers(session, url / "health/live", process)
        process.terminate()

        assert 0 == await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until_it_answers(session: aiohttp.ClientSession, url: URL, process: asyncio.subprocess.Process) -> None:
    """Ask until there is an answer, or nobody is left to give one."""
    while True:
        assert process.returncode is None, "it has ended"
        with contextlib.suppress(aiohttp.ClientConnectionError):
            async with session.get(url) as answer:
                assert 200 == answer.status
                return
        await asyncio.sleep(0.05)


def test_the_version_is_said() -> None:
    """On the command line, without any setting."""
    done = subprocess.run([sys.executable, "-m", "resource_service", "--version"], capture_output=True, check=True)

    assert f"dualtoken-resource {__version__}\n".encode() == done.stdout
