"""TokenSource for threads."""

import asyncio
import multiprocessing
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import httpx
import pytest
import requests

from dualtoken.client import AuthUnavailable, BearerAuth, ConfigurationError, LoginRequired
from dualtoken.client import TokenSource as AsyncTokenSource
from dualtoken.client.httpx import BearerAuth as HttpxAuth
from dualtoken.client.requests import BearerAuth as RequestsAuth
from dualtoken.client.sync import TokenSource
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control
from tests.deadline import HANGS_S

ROOT = Path(__file__).resolve().parents[2]
THREADS = 1000


@pytest.fixture
async def source(pair: Control) -> AsyncIterator[TokenSource]:
    """A source with a session."""
    source = TokenSource(pair.auth_url, refresh_timeout_s=HANGS_S)
    await asyncio.to_thread(source.login, "zs", PASSWORD)
    yield source
    await asyncio.to_thread(source.close)


async def test_a_thousand_threads_share_one_refresh(source: TokenSource, pair: Control) -> None:
    """All get the new token, and nobody fails."""
    old, barrier = source.token(), threading.Barrier(THREADS)

    def renew(_: int) -> str:
        barrier.wait()
        return source.token(rejected=old)

    with ThreadPoolExecutor(THREADS) as threads:
        tokens = await asyncio.to_thread(lambda: Counter(threads.map(renew, range(THREADS))))

    assert {"at-2": THREADS} == tokens
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_both_libraries_share_a_source(source: TokenSource, pair: Control) -> None:
    """httpx.Client and requests, in threads, with one session."""

    def call() -> list[int]:
        url, origins = f"{pair.api_url}/things", [pair.api_url]
        with httpx.Client(auth=HttpxAuth(source, origins=origins), timeout=HANGS_S) as http:
            auth = RequestsAuth(source, origins=origins)
            answers = http.get(url), requests.get(url, auth=auth, timeout=HANGS_S)

        return [answer.status_code for answer in answers]

    await pair.expire()

    assert [200, 200] == await asyncio.to_thread(call)
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_a_source_is_used_again_after_its_end(source: TokenSource) -> None:
    """The session is kept; the background thread is another."""
    await asyncio.to_thread(source.close)

    assert "at-1" == source.token()
    assert "at-2" == await asyncio.to_thread(lambda: source.token(rejected="at-1"))


def test_without_a_session_a_login_is_asked_for() -> None:
    """By the same error, and in the thread that asked."""
    with TokenSource("http://127.0.0.1:1") as source, pytest.raises(LoginRequired):
        source.token()


async def test_nobody_waits_for_a_source_that_is_closed(pair: Control) -> None:
    """A log-in to a service that never answers ends with the source, by an error."""
    source = TokenSource(pair.auth_url, refresh_timeout_s=HANGS_S)
    await pair.fault("login", Fault("hang_before"))
    waiting = asyncio.create_task(asyncio.to_thread(source.login, "zs", PASSWORD))
    await pair.wait_for_hanging()
    await asyncio.to_thread(source.close)

    with pytest.raises(AuthUnavailable, match="closed meanwhile"):
        await waiting


async def test_closing_again_and_again_harms_no_caller(source: TokenSource, pair: Control) -> None:
    """Threads that come while another closes start the source anew."""
    names = ["close" if number % 10 == 5 else "token" for number in range(200)]

    def call(name: str) -> str:
        if name == "close":
            source.close()
            return "closed"
        return source.token(rejected="none")

    with ThreadPoolExecutor(20) as threads:
        results = await asyncio.to_thread(lambda: Counter(threads.map(call, names)))

    assert {"at-1": 180, "closed": 20} == results
    assert {"refresh_calls": 0} == await pair.counts("refresh_calls")


async def test_a_callback_that_would_wait_for_itself_is_told(pair: Control) -> None:
    """It runs in the background thread; what needs no wait, it may ask."""
    said: list[str] = []

    def renewed(_: object) -> None:
        said.append(source.token())
        for call in (source.logout, source.close):
            try:
                call()
            except RuntimeError as error:
                said.append(str(error))

    with TokenSource(pair.auth_url, on_refresh=renewed) as source:
        await asyncio.to_thread(source.login, "zs", PASSWORD)
        await asyncio.to_thread(lambda: source.token(rejected=source.token()))

        await asyncio.to_thread(source.close)  # waits for callbacks

    assert "at-2" == said[0]
    assert [True, True] == ["would wait for itself" in text for text in said[1:]]


def _in_a_fork(source: TokenSource, said: "multiprocessing.Queue[str]") -> None:
    source.close()
    try:
        source.token()
    except RuntimeError as error:
        said.put(str(error))
    else:
        said.put("no error")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
async def test_a_fork_is_told(source: TokenSource) -> None:
    """A background thread does not go on in the new process, so nothing would ever answer there."""
    context = multiprocessing.get_context("fork")
    said: multiprocessing.Queue[str] = context.Queue()
    with source._lock:  # as if another thread had it at that moment
        child = context.Process(target=_in_a_fork, args=(source, said))
        child.start()
    text = await asyncio.to_thread(said.get)
    await asyncio.to_thread(child.join)

    assert "made before a fork" in text


@pytest.mark.parametrize("patched", ["threading", "select", "socket"])
def test_gevent_is_told(monkeypatch: pytest.MonkeyPatch, patched: str) -> None:
    """No event loop runs among greenlets. Whoever loads gevent and patches nothing may go on, until something is."""
    names: list[str] = []
    monkey = ModuleType("gevent.monkey")
    monkeypatch.setitem(sys.modules, "gevent.monkey", monkey)
    monkey.is_module_patched = names.__contains__  # type: ignore[attr-defined]
    made_before = TokenSource("http://127.0.0.1:1")
    names.append(patched)
    with pytest.raises(ConfigurationError, match="gevent has patched"):
        TokenSource("http://127.0.0.1:1")

    with pytest.raises(ConfigurationError, match="gevent has patched"):
        made_before.token()


ENDS = """
import atexit, contextlib, os, socket, threading
from dualtoken.client import FileStorage
from dualtoken.client.sync import TokenSource

silent = socket.create_server(("127.0.0.1", 0))
source = TokenSource(f"http://127.0.0.1:{silent.getsockname()[1]}", storage=FileStorage(os.environ["TOKEN_FILE"]))

def at_exit(call):
    try:
        call()
    except Exception as error:
        print(type(error).__name__, "at exit")
"""
REFRESHES = """
def log_in():
    with contextlib.suppress(Exception):
        source.login("zs", "x")

threading.Thread(target=log_in, daemon=True).start()
held = silent.accept()
"""


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        (REFRESHES, ""),
        (f"{REFRESHES}\natexit.register(source.close)", ""),
        ("atexit.register(at_exit, source.close)", ""),
        ("atexit.register(at_exit, source.logout)", ""),
        ("atexit.register(lambda: [at_exit(source.token), at_exit(source.token)])", "LoginRequired at exit"),
    ],
    ids=["refreshing", "closed at exit", "never used", "log-out at exit", "twice at exit"],
)
def test_the_interpreter_ends_though_nobody_closed(code: str, printed: str, tmp_path: Path) -> None:
    """Not even while a refresh is under way, to a service that never answers, nor by what is asked at the end."""
    done = subprocess.run(
        [sys.executable, "-c", f"{ENDS}{code}\nprint('ends')"],
        cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "TOKEN_FILE": str(tmp_path / "t")},
    )  # fmt: skip

    assert (0, "ends", "") == (done.returncode, done.stdout.splitlines()[0], done.stderr)
    assert [printed] * (len(done.stdout.splitlines()) - 1) == done.stdout.splitlines()[1:]


LOGS_OUT = """
import atexit, sys
from dualtoken.client import FileStorage
from dualtoken.client.sync import TokenSource

auth_url, file, password = sys.argv[1:]
source = TokenSource(auth_url, storage=FileStorage(file))
source.login("zs", password)
atexit.register(source.logout)
"""


async def test_a_program_may_log_out_at_its_very_end(pair: Control, tmp_path: Path) -> None:
    """Though threads are no longer to be had, the token file is read, and the session ends at the service."""
    command = [sys.executable, "-c", LOGS_OUT, pair.auth_url, str(tmp_path / "tokens.json"), PASSWORD]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()

    assert (0, b"") == (process.returncode, errors)
    assert {"logouts": 1} == await pair.counts("logouts")


def test_a_source_of_the_wrong_kind_is_told() -> None:
    """By whoever meets it first, with the one to use."""
    loop_source, thread_source = AsyncTokenSource("http://127.0.0.1:1"), TokenSource("http://127.0.0.1:1")
    origins = ["http://127.0.0.1:2"]
    with (
        httpx.Client(auth=HttpxAuth(loop_source, origins=origins)) as http,
        pytest.raises(ConfigurationError, match=r"dualtoken\.client\.sync"),
    ):
        http.get("http://127.0.0.1:2")
    flow = HttpxAuth(thread_source, origins=origins).async_auth_flow(httpx.Request("GET", "http://127.0.0.1:2"))
    with pytest.raises(ConfigurationError, match="does not block"):
        anext(flow).__await__().send(None)
    with pytest.raises(ConfigurationError, match=r"dualtoken\.client\.sync"):
        RequestsAuth(loop_source, origins=origins)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="does not block"):
        BearerAuth(thread_source, origins=origins)  # type: ignore[arg-type]
