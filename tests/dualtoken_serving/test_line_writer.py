"""Log lines leave by a thread of their own: who reads them holds nobody up."""

import asyncio
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.deadline import HANGS_S
from tests.system.processes import PASSWORD, REPOSITORY, Deployment, environment

SMALL_PIPE = 4096
LINES = 40_000
CALLS = 100
Calls = Callable[[aiohttp.ClientSession, URL], Awaitable[list[int]]]
_LOGS = """
import sys, structlog
from dualtoken_serving.logs import configure_logs
configure_logs("info", "auth_service", never_wait=True)
log = structlog.get_logger("auth_service")
"""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe that holds next to nothing, so that it is soon full."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, SMALL_PIPE)
    yield reader, writer
    for descriptor in (reader, writer):
        os.close(descriptor)


def read_to_its_end(reader: int, ended: Callable[[], bool], whole: bytes = b"") -> list[dict[str, Any]]:
    """Return the lines of *whole*, and those that come until the writers have *ended* and the pipe is empty."""
    os.set_blocking(reader, False)
    while True:
        is_last = ended()
        try:
            whole += os.read(reader, 1 << 20)
        except BlockingIOError:
            if is_last:
                return [json.loads(line) for line in whole.splitlines()]


def read_until(reader: int, text: bytes) -> bytes:
    """Return what comes up to *text*, and what came with it."""
    whole = bytearray()
    while text not in whole[-2 * SMALL_PIPE :]:
        whole += os.read(reader, SMALL_PIPE)
    return bytes(whole)


def test_lines_beyond_the_bound_are_counted_and_dropped(pipe: tuple[int, int]) -> None:
    """While nobody reads, lines wait up to a bound; what is dropped beyond it is told in a line when there is room."""
    reader, writer = pipe
    code = f"{_LOGS}\nfor n in range({LINES}): log.info('line', n=n, padding='x' * 200)\nprint('lives', flush=True)\n"
    code += "sys.stdin.readline(); log.info('last')\n"
    started = subprocess.Popen(
        [sys.executable, "-c", code], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=writer
    )
    with started as process:
        assert process.stdout is not None
        assert process.stdin is not None
        lives = process.stdout.readline()
        before = read_until(reader, b"log.dropped")
        process.stdin.write(b"\n")
        process.stdin.close()
        lines = read_to_its_end(reader, lambda: process.poll() is not None, before)
    numbers = [line["n"] for line in lines if line["event"] == "line"]
    dropped = sum(line["count"] for line in lines if line["event"] == "log.dropped")
    last = sum(line["event"] == "last" for line in lines)

    assert (b"lives\n", 0) == (lives, process.returncode)
    assert sorted(numbers) == numbers
    assert dropped > 0
    assert LINES + 1 == len(numbers) + dropped + last


@pytest.mark.parametrize("ending", ["", "import os; os.kill(os.getpid(), 15)"])
def test_a_process_ends_though_nobody_reads(pipe: tuple[int, int], ending: str) -> None:
    """At its end a process waits a while for the reader, and no longer."""
    code = f"{_LOGS}\nimport signal\nsignal.signal(15, lambda *_: sys.exit(0))\n"
    code += f"for n in range(1000): log.info('line', n=n)\n{ending}"

    ended = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, stderr=pipe[1], timeout=HANGS_S, check=False)

    assert 0 == ended.returncode


def test_what_is_logged_last_is_read_too(pipe: tuple[int, int]) -> None:
    """The end of a process loses no line whose reader is only slow."""
    code = f"{_LOGS}\nfor n in range(300): log.info('line', n=n)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stderr=pipe[1]) as process:
        lines = read_to_its_end(pipe[0], lambda: process.poll() is not None)

    assert list(range(300)) == [line["n"] for line in lines]


def test_a_fork_writes_its_own_lines_once(pipe: tuple[int, int]) -> None:
    """What waited in the first process is not written again by its workers, and each worker writes."""
    code = f"{_LOGS}\nimport os\nfor n in range(200): log.info('line', n=n)\n"
    code += "child = os.fork()\nlog.info('line', n=1000 if child else 2000)\nif child: os.waitpid(child, 0)\n"
    # Python 3.12 and newer warn of a fork beside a thread: the writer, which does not go on in the child.
    quiet = ("-W", "ignore::DeprecationWarning")
    with subprocess.Popen([sys.executable, *quiet, "-c", code], cwd=REPOSITORY, stderr=pipe[1]) as process:
        lines = read_to_its_end(pipe[0], lambda: process.poll() is not None)

    assert [*range(200), 1000, 2000] == sorted(line["n"] for line in lines)


def test_a_descriptor_that_does_not_block_loses_nothing(pipe: tuple[int, int]) -> None:
    """Whoever shares standard error may have set it so; the lines wait all the same."""
    os.set_blocking(pipe[1], False)
    code = f"{_LOGS}\nfor n in range(300): log.info('line', n=n)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stderr=pipe[1]) as process:
        lines = read_to_its_end(pipe[0], lambda: process.poll() is not None)

    assert list(range(300)) == [line["n"] for line in lines]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device is Linux's")
def test_a_log_that_cannot_be_written_fails_nobody() -> None:
    """A full disk behind standard error costs lines, not requests."""
    code = f"{_LOGS}\nlog.info('a'); log.error('b'); log.critical('c'); print('lives')"
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, stderr=full, stdout=-1, check=False)

    assert (b"lives\n", 0) == (ended.stdout, ended.returncode)


async def refreshes(http: aiohttp.ClientSession, url: URL) -> list[int]:
    """Renew a session many times; each call writes a line at debug."""
    body = {"username": "zs", "password": PASSWORD}
    statuses = []
    for _ in range(CALLS):
        async with http.post(url / ("refresh" if statuses else "login"), json=body) as answer:
            statuses.append(answer.status)
            body = await answer.json()
    return statuses


async def visits(http: aiohttp.ClientSession, url: URL) -> list[int]:
    """Call without a token, many times; each call writes a line at debug."""
    statuses = []
    for _ in range(CALLS):
        async with http.get(url / "home") as answer:
            statuses.append(answer.status)
    return statuses


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("name", "call", "expected"), [("auth", refreshes, 200), ("resource", visits, 401)])
async def test_a_reader_that_stalls_holds_no_request_up(
    deployment: Deployment, pipe: tuple[int, int], name: str, call: Calls, expected: int, workers: int
) -> None:
    """Every request is answered while nobody reads a full pipe, and the service ends well."""
    settings = {**(deployment.auth if name == "auth" else deployment.resource), f"{name.upper()}_LOG_LEVEL": "debug"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"{name}_service", "serve"),
        cwd=REPOSITORY,
        env=environment({**settings, f"{name.upper()}_WORKERS": workers}),
        stdout=asyncio.subprocess.PIPE,
        stderr=pipe[1],
    )
    assert process.stdout is not None
    async with asyncio.timeout(HANGS_S):
        url = URL((await process.stdout.readline()).decode().split()[-1])
        async with aiohttp.ClientSession() as http:
            statuses = await call(http, url)
        process.terminate()
        status = await process.wait()

    assert ([expected] * CALLS, 0) == (statuses, status)
