"""``python -m client loadtest`` as a process: what it refuses, and what it ends with."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import aiohttp
import pytest
from rich.console import Console

from dualtoken.client.errors import ConfigurationError
from dualtoken.client.loadtest.command import Command
from dualtoken.client.playground.services import ServiceFailed
from tests.client.loadtest.results import OPTIONS
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control
from tests.deadline import HANGS_S
from tests.forked import Forked, python_m

REPOSITORY = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that has ended."""

    status: int | None
    errors: str


async def started(*arguments: str) -> asyncio.subprocess.Process:
    """Start the command, as the leader of a process group of its own: a shell does the same."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "client", "loadtest", *arguments, cwd=REPOSITORY, start_new_session=True,
        stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def end_of(process: asyncio.subprocess.Process | Forked, *, password: str = PASSWORD) -> Ended:
    """Wait for the end of the command; none takes minutes."""
    try:
        async with asyncio.timeout(HANGS_S):
            _, errors = await process.communicate(f"{password}\n".encode())
    finally:
        if process.returncode is None:
            process.kill()
    return Ended(process.returncode, errors.decode())


async def ended(*arguments: str, password: str = PASSWORD) -> Ended:
    """Run the command to its end."""
    return await end_of(await python_m("client", "loadtest", *arguments, env=os.environ), password=password)


def against(pair: Control) -> list[str]:
    """Return the options that point the command at the fakes."""
    return ["--auth", pair.auth_url, "--api", pair.api_url, "--user", "zs"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--self-contained", "--users", "0"], "--users must be more than 0, not 0"),
        (["--self-contained", "--html", "/missing/report.html"], "/missing/report.html cannot be written: No such"),
        (["--self-contained", "--json", "/"], "/ cannot be written: Is a directory"),
        ([], "no account: name one with --user, or use --self-contained"),
        (["--user", "zs", "--api", "nonsense"], "the API URL is not an address"),
        (["--user", "zs", "--auth", "http://127.0.0.1:1"], "login: 127.0.0.1 cannot be reached"),
        (["--user", "zs", "--password-file", "/missing"], "/missing cannot be read"),
    ],
)
async def test_what_cannot_work_is_one_line(arguments: list[str], sentence: str) -> None:
    """Bad input is told in one line, with status 2, before anything is started."""
    run = await ended(*arguments)

    assert (2, 1, True) == (run.status, run.errors.count("\n"), run.errors.startswith(f"dualtoken: {sentence}"))


async def test_a_port_that_is_taken_is_one_line() -> None:
    """Services are not started on a port that somebody else has."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = await ended("--self-contained", "--resource-port", str(port))

    expected = f"dualtoken: port {port} is not available: Address already in use: name another (0: any free port)\n"
    assert (2, expected) == (run.status, run.errors)


async def test_a_service_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one line ends with the last of the service's log."""

    def failing(**_: object) -> NoReturn:
        raise ServiceFailed("auth_service did not start:\nfirst words\nport 8001 cannot be had")

    monkeypatch.setattr("dualtoken.client.loadtest.command.running_services", failing)
    command = Command(OPTIONS, self_contained=True, ports=(0, 0), password_file=None, json_file=None, html_file=None)

    with pytest.raises(ConfigurationError, match=r"^auth_service did not start: port 8001 cannot be had$"):
        await command.run(Console(quiet=True))


async def test_a_wrong_password_is_one_line(pair: Control) -> None:
    """A thousand logins do not start with a password that one login refuses."""
    run = await ended(*against(pair), password="wrong")

    assert (2, 1, 1) == (run.status, run.errors.count("\n"), (await pair.counts("logins"))["logins"])
    assert run.errors.startswith("dualtoken: the auth service knows no such user and password")


async def test_a_missing_resource_service_is_one_line(pair: Control) -> None:
    """Both services are asked before the load begins, and the session of the question is closed."""
    run = await ended("--auth", pair.auth_url, "--api", "http://127.0.0.1:1", "--user", "zs")

    assert (2, "dualtoken: the resource service at http://127.0.0.1:1 cannot be reached\n") == (run.status, run.errors)
    assert {"live_sessions": 0} == await pair.counts("live_sessions")


async def test_expiries_under_load_cost_one_refresh_a_user(pair: Control, tmp_path: Path) -> None:
    """Two processes, forty requests under way, expiries: one refresh per user and expiry, nothing fails."""
    figures = tmp_path / "figures.json"
    # A number of requests, not a time: the slower the machine, the more expiries they meet.
    options = ["--users", "4", "--concurrency", "40", "--requests", "2000", "--expire-every", "0.2"]
    run = await ended(*against(pair), *options, "--processes", "2", "--json", str(figures))
    counts = json.loads(figures.read_text())["counts"]
    state = await pair.counts("rotations", "most_uses", "live_sessions")

    assert 0 == run.status, run.errors
    assert (0, 0, counts["refreshes"]) == (counts["failed"], counts["surplus"], counts["expected"])
    assert counts["refreshes"] > 0
    assert {"rotations": counts["refreshes"], "most_uses": 1, "live_sessions": 0} == state


async def test_a_refresh_that_is_sent_again_is_counted(pair: Control, tmp_path: Path) -> None:
    """A service in trouble for a moment costs a repetition: no failure, and no line between the workers' own."""
    figures = tmp_path / "figures.json"
    await pair.fault("refresh", Fault("status", status=503))
    options = ["--users", "1", "--scenario", "refresh", "--requests", "3", "--json", str(figures)]
    run = await ended(*against(pair), *options)
    counts = json.loads(figures.read_text())["counts"]

    assert 0 == run.status, run.errors
    assert (3, 0, 1) == (counts["requests"], counts["failed"], counts["retries"])


async def test_requests_are_counted_as_the_service_counts_them(pair: Control, tmp_path: Path) -> None:
    """``--requests`` sends so many, over all processes, and the service has seen them."""
    figures = tmp_path / "figures.json"
    options = ["--users", "3", "--concurrency", "7", "--requests", "500", "--processes", "3"]
    run = await ended(*against(pair), *options, "--json", str(figures))
    checks = 1  # one request before the load

    assert 0 == run.status, run.errors
    assert 500 == json.loads(figures.read_text())["counts"]["requests"]
    assert {"api_requests": 500 + checks} == await pair.counts("api_requests")


async def test_a_failed_request_is_status_1(pair: Control, tmp_path: Path) -> None:
    """Failures are told by kind, and decide."""
    figures = tmp_path / "figures.json"
    await pair.fault("login", Fault("none"), Fault("none"), Fault("status", status=500))
    run = await ended(
        *against(pair), "--scenario", "login", "--users", "1", "--concurrency", "1", "--requests", "3",
        "--json", str(figures),
    )  # fmt: skip

    assert 1 == run.status, run.errors
    assert ["AuthUnavailable: login: the auth service answered 500"] == list(json.loads(figures.read_text())["errors"])


async def test_a_rate_is_kept(pair: Control, tmp_path: Path) -> None:
    """The open model begins as many requests as the rate says."""
    figures = tmp_path / "figures.json"
    run = await ended(*against(pair), "--users", "2", "--rate", "100", "--duration", "1", "--json", str(figures))
    counts = json.loads(figures.read_text())["counts"]

    assert 0 == run.status, run.errors
    assert 100 == counts["requests"] + counts["not_begun"]  # on a machine that is held up some find no place


async def test_ctrl_c_ends_with_the_report_so_far(pair: Control, tmp_path: Path) -> None:
    """Interrupted, the run waits for what is under way, closes its sessions, writes its reports and judges."""
    figures, page = tmp_path / "figures.json", tmp_path / "report.html"
    files = ["--json", str(figures), "--html", str(page)]
    process = await started(*against(pair), "--duration", "600", "--users", "2", *files)
    assert process.stdin is not None
    process.stdin.write(f"{PASSWORD}\n".encode())
    await process.stdin.drain()
    async with asyncio.timeout(HANGS_S):
        while (await pair.counts("api_requests"))["api_requests"] < 100:  # noqa: ASYNC110 - the state of another process
            await asyncio.sleep(0.05)
    process.send_signal(signal.SIGINT)
    run = await end_of(process)
    read = json.loads(figures.read_text())

    assert 0 == run.status, run.errors
    assert (["The run was interrupted."], True) == ([r for r in read["remarks"] if "interrupted" in r], page.exists())
    assert {"live_sessions": 0} == await pair.counts("live_sessions")


async def test_ctrl_c_at_a_terminal_leaves_the_services_to_the_run(tmp_path: Path) -> None:
    """A terminal tells the whole process group; services that ended at once would fail what is under way."""
    figures = tmp_path / "figures.json"
    process = await started("--self-contained", "--duration", "600", "--users", "2", "--json", str(figures))
    assert process.stderr is not None
    async with asyncio.timeout(HANGS_S), aiohttp.ClientSession() as http:
        addresses: list[str] = []
        while not addresses:
            addresses = re.findall(r"http://\S+", (await process.stderr.readline()).decode())
        while await accepted(http, addresses[1]) < 100:  # noqa: ASYNC110 - the state of another process
            await asyncio.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    run = await end_of(process)

    assert 0 == run.status, run.errors
    assert (0, True) == (json.loads(figures.read_text())["counts"]["failed"], "The run was interrupted." in run.errors)


async def accepted(http: aiohttp.ClientSession, api_url: str) -> float:
    """Return how many requests the resource service has let in."""
    async with http.get(f"{api_url}/metrics") as response:
        text = await response.text()
    found = re.search(r'^resource_authentications_total{outcome="accepted"} (\S+)$', text, re.MULTILINE)
    return float(found[1]) if found else 0.0
