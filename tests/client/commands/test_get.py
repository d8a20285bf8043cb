"""``dualtoken get``, run as a user runs it."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from dualtoken.client.commands.exit_codes import Exit
from tests.client.commands.running import ROOT, Done, Run, fill
from tests.conformance.faults import Fault
from tests.conformance.pair import Control


@pytest.mark.usefixtures("logged_in")
async def test_get_prints_the_body(run: Run, pair: Control) -> None:
    """And nothing else."""
    assert Done(Exit.OK, b'{"things": []}', "") == await run("get", f"{pair.api_url}/things")


@pytest.mark.usefixtures("logged_in")
async def test_get_renews_the_token(run: Run, pair: Control) -> None:
    """An expiry goes unnoticed, retries included: nothing is printed about them."""
    await pair.expire()
    await pair.fault("refresh", Fault("status", status=503), Fault("drop_after"))

    assert Done(Exit.OK, b'{"things": []}', "") == await run("get", f"{pair.api_url}/things")


@pytest.mark.usefixtures("logged_in")
async def test_get_includes_the_head(run: Run, pair: Control) -> None:
    """-i prints status and headers first, as curl does."""
    done = await run("get", "-i", f"{pair.api_url}/things")
    head, _, body = done.out.partition(b"\r\n\r\n")

    assert (b"HTTP/1.1 200 OK", b'{"things": []}') == (head.splitlines()[0], body)
    assert b"Content-Type: application/json" in head


@pytest.mark.usefixtures("logged_in")
async def test_get_writes_a_file(run: Run, pair: Control, tmp_path: Path) -> None:
    """-o keeps standard output free."""
    done = await run("get", "-o", str(tmp_path / "out"), f"{pair.api_url}/stream")

    assert (Exit.OK, b"", 300) == (done.code, done.out, size(tmp_path / "out"))


def size(path: Path) -> int:
    """Return how many bytes a file has."""
    return path.stat().st_size


@pytest.mark.parametrize("data", ["name=value", "@FILE", "@-"])
@pytest.mark.usefixtures("logged_in")
async def test_get_sends_data(run: Run, pair: Control, tmp_path: Path, data: str) -> None:
    """-d takes text, a file, or standard input, and a file is sent whole after a 401."""
    fill(tmp_path / "body", b"name=value")
    await pair.expire()
    argument = data.replace("FILE", str(tmp_path / "body"))
    done = await run("get", "-d", argument, f"{pair.api_url}/echo", line="name=value")

    assert (Exit.OK, 10) == (done.code, json.loads(done.out)["bytes"])


@pytest.mark.usefixtures("logged_in")
async def test_get_sends_any_method_and_header(run: Run, pair: Control) -> None:
    """-X and -H; a caller's own Authorization is left alone."""
    done = await run("get", "-X", "PUT", "-H", "Authorization: Basic eA==", f"{pair.api_url}/early-refusal")

    assert Exit.HTTP_ERROR == done.code
    assert ["Basic eA=="] == (await pair.state())["seen"]


@pytest.mark.usefixtures("logged_in")
async def test_get_of_an_error_is_code_7(run: Run, pair: Control) -> None:
    """The body is printed all the same."""
    assert Exit.HTTP_ERROR == (await run("get", f"{pair.api_url}/forbidden")).code


async def test_get_without_a_session_is_code_3(run: Run, pair: Control) -> None:
    """It says what to run."""
    expected = Done(Exit.LOGIN_REQUIRED, b"", "dualtoken: no session: run `python -m client login`\n")
    assert expected == await run("get", f"{pair.api_url}/things")


@pytest.mark.usefixtures("logged_in")
async def test_get_of_an_ended_session_is_code_3(run: Run, pair: Control) -> None:
    """It says who ended it, the second time as well."""
    await pair.end_sessions()
    expected = "dualtoken: the session was ended by the auth service: run `python -m client login`\n"

    assert Done(Exit.LOGIN_REQUIRED, b"", expected) == await run("get", f"{pair.api_url}/things")
    again = await run("get", "--auth", pair.auth_url, f"{pair.api_url}/things")
    assert Done(Exit.LOGIN_REQUIRED, b"", expected) == again


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["things"], Exit.USAGE, "write it like https://"),
        (["http://api.example/"], Exit.USAGE, "plain http to api.example"),
        (["http://127.0.0.1:9/"], Exit.UNAVAILABLE, "127.0.0.1:9"),
        (["-d", "@/nowhere/at/all", "http://127.0.0.1:9/"], Exit.USAGE, "/nowhere/at/all: No such file"),
        (["-d", "secret", "--json", "secret", "http://127.0.0.1:9/"], Exit.USAGE, "one body: --data or --json"),
        (["-H", "secret-header", "http://127.0.0.1:9/"], Exit.USAGE, "a header is written as 'Name: value'"),
        (["-H", "X: secret\r\nY: z", "http://127.0.0.1:9/"], Exit.USAGE, "a header is written as 'Name: value'"),
        (["-H", "X y: secret", "http://127.0.0.1:9/"], Exit.USAGE, "a header is written as 'Name: value'"),
        (["-X", "GET\r\nX: y", "http://127.0.0.1:9/"], Exit.USAGE, "a method is one word"),
        (["--timeout", "inf", "http://127.0.0.1:9/"], Exit.USAGE, "refresh_timeout_s must be positive and finite"),
        (["-o", "/nowhere/at/all", "API/things"], Exit.FAILED, "No such file or directory: '/nowhere/at/all'"),
    ],
)
@pytest.mark.usefixtures("logged_in")
async def test_get_names_what_is_wrong(run: Run, pair: Control, arguments: list[str], code: Exit, message: str) -> None:
    """One line, no traceback, no secret."""
    done = await run("get", *(argument.replace("API", pair.api_url) for argument in arguments))

    assert (code, b"", 1) == (done.code, done.out, done.err.count("\n"))
    assert message in done.err
    assert "secret" not in done.err


@pytest.mark.usefixtures("logged_in")
async def test_get_stops_quietly_when_nobody_reads(pair: Control, token_file: Path) -> None:
    """`dualtoken get … | head -1` is no error."""
    process = await asyncio.create_subprocess_shell(
        f"{sys.executable} -m client get {pair.api_url}/stream | head -n 1",
        cwd=ROOT,
        env={**os.environ, "DUALTOKEN_TOKEN_FILE": str(token_file)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )

    assert (b"00\n", b"") == await process.communicate()


@pytest.mark.usefixtures("logged_in")
async def test_ctrl_c_is_code_130(pair: Control, run: Run, token_file: Path) -> None:
    """A command that is interrupted leaves no traceback, and the session goes on."""
    await pair.expire()
    await pair.fault("refresh", Fault("hang_after"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "client", "get", f"{pair.api_url}/things"),
        cwd=ROOT,
        env={**os.environ, "DUALTOKEN_TOKEN_FILE": str(token_file)},
        stderr=asyncio.subprocess.PIPE,
    )
    await pair.wait_for_hanging()
    process.send_signal(signal.SIGINT)
    _, errors = await process.communicate()
    await pair.release()

    assert (Exit.INTERRUPTED, b"") == (process.returncode, errors)
    assert Exit.OK == (await run("get", f"{pair.api_url}/things")).code
    assert {"reuses": 0} == await pair.counts("reuses")


@pytest.mark.usefixtures("logged_in")
async def test_two_shells_work_on_one_account(run: Run, pair: Control) -> None:
    """At an expiry one of them refreshes, and both get their answer."""
    await pair.expire()
    first, second = await asyncio.gather(*(run("get", f"{pair.api_url}/things") for _ in range(2)))

    assert (Exit.OK, Exit.OK) == (first.code, second.code)
    assert {"rotations": 1, "reuses": 0} == await pair.counts("rotations", "reuses")
