"""A real PgBouncer in transaction mode, for the tests that need one: Debian's package ``pgbouncer``."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deadline import HANGS_S
from tests.ports import held_ports
from tests.postgresql import Cluster

_UNPRIVILEGED = "nobody"  # it refuses to run as root
_SETTINGS = """
[databases]
* = host=127.0.0.1 port={server} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {servers}
"""


@contextmanager
def pgbouncer(cluster: Cluster, servers: int) -> Iterator[int]:
    """Yield the port of a running one that shares that many connections to *cluster*; skip where there is none."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed (Debian package pgbouncer)")
    account = {"user": _UNPRIVILEGED} if os.geteuid() == 0 else {}
    with held_ports(1) as (port,), tempfile.TemporaryDirectory(prefix="dualtoken-pgbouncer-") as folder:
        settings = Path(folder, "pgbouncer.ini")
        settings.write_text(_SETTINGS.format(server=cluster.port, port=port, servers=servers), encoding="ascii")
        Path(folder).chmod(0o755)
        process = subprocess.Popen(
            [program, settings],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            **account,
        )
        try:
            _wait_for(port, process)
            yield port
        finally:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + HANGS_S
    while True:
        assert process.poll() is None, "pgbouncer ended"
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < deadline, "pgbouncer does not answer"
            time.sleep(0.02)
        else:
            return
