"""Processes of the auth service: started, killed and started again at will. Their logs outlive them."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
# Root may write what is read-only, unless it gives that up: PR_CAPBSET_DROP of CAP_DAC_OVERRIDE, see capabilities(7).
_OBEY_FILE_MODES = "import ctypes, os, sys; ctypes.CDLL(None).prctl(24, 1); os.execv(sys.argv[1], sys.argv[1:])"
START_WITHIN_S = 60
STOP_WITHIN_S = 30


class DidNotStart(Exception):
    """The process ended before it was ready. ``status`` is its exit status."""

    def __init__(self, status: int, log: str) -> None:
        super().__init__(f"exit status {status}: {log[-2000:]}")
        self.status = status


def environment(folder: Path, database_url: str, **settings: str) -> dict[str, str]:
    """Return the environment of an auth service on a port of the system's choice; its keys lie in *folder*."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AUTH_")}
    return {
        **inherited,
        "AUTH_PORT": "0",
        "AUTH_DATABASE_URL": database_url,
        "AUTH_ACCESS_KEYS": str(folder / "access.jwks.json"),
        "AUTH_REFRESH_KEYS": str(folder / "refresh.jwks.json"),
        **settings,
    }


def run(env: Mapping[str, str], *arguments: str, obeys_file_modes: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a command of ``python -m auth_service`` to its end."""
    launcher = [sys.executable, "-c", _OBEY_FILE_MODES] if obeys_file_modes and os.geteuid() == 0 else []
    return subprocess.run(
        [*launcher, sys.executable, "-m", "auth_service", *arguments],
        env=env,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_WITHIN_S,
    )


class AuthProcess:
    """One ``python -m auth_service serve``. After a restart it is the same service on another port."""

    def __init__(self, name: str, folder: Path, env: Mapping[str, str]) -> None:
        self.name, self.port, self.log = name, 0, folder / f"{name}.log"
        self.environment = dict(env)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Return the address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Return the id of the running process; it leads a process group of its own."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> "AuthProcess":
        """Start; return when it says that it listens.

        Raises:
            DidNotStart: it ended instead.
        """
        if self._process is not None:
            await self._ended()
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "auth_service", "serve"),
                env=self.environment,
                cwd=REPOSITORY,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(START_WITHIN_S):
            line = (await self._process.stdout.readline()).decode()
        if not line:
            raise DidNotStart(await self._ended(), self.log.read_text(errors="replace"))
        assert line.startswith("auth_service listening on http://"), line
        self.port = int(line.rsplit(":", 1)[1])
        return self

    async def start_when_possible(self) -> None:
        """Start, again and again as a supervisor does, until the database lets it."""
        async with asyncio.timeout(START_WITHIN_S):
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

    async def kill(self) -> None:
        """SIGKILL to the process and its workers."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._ended()

    async def stop(self) -> int:
        """SIGTERM; return the exit status."""
        self.signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_WITHIN_S):
            return await self._ended()

    async def _ended(self) -> int:
        assert self._process is not None
        await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the log's events of that name, those of processes killed since included."""
        return [event for event in self._events() if event.get("event") == name]

    def _events(self) -> Iterator[dict[str, Any]]:
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue  # a line that SIGKILL cut, or what a start-up error prints

    def text(self) -> str:
        """Return the whole log."""
        return self.log.read_text(errors="replace")


@contextmanager
def no_leftovers(*processes: AuthProcess) -> Iterator[None]:
    """Kill what still runs at the end, whatever happened."""
    try:
        yield
    finally:
        for process in processes:
            if process.is_running:
                os.killpg(process.pid, signal.SIGKILL)
