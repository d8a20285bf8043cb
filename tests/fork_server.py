"""Forks a process for each command that it is sent, which then runs ``python -m package …`` as Python itself would.

It has imported the libraries, which take four fifths of a start, and none of our own packages.
"""

import gc
import json
import os
import runpy
import signal
import socket
import sys
import warnings
from contextlib import suppress
from importlib import import_module

# Not prometheus_client, which reads as it is imported where its files are.
LIBRARIES = (
    "aiohttp.web", "aiohttp_cors", "alembic.command", "argon2", "asyncpg",
    "cryptography.hazmat.primitives.asymmetric.ec", "filelock", "jwt", "limits.aio.storage", "passlib.context",
    "platformdirs", "pydantic", "pydantic_settings", "rich.markdown", "rich.table", "sqlalchemy.dialects.postgresql",
    "sqlalchemy.dialects.sqlite", "sqlalchemy.ext.asyncio", "structlog", "tenacity", "typer.rich_utils", "uvloop",
)  # fmt: skip
MOST_BYTES = 200_000  # of one command with its environment


def next_command(requests: socket.socket) -> list[str]:
    """Return, in a new process, with the words of its command. The first process ends when nobody can send any more."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, MOST_BYTES, 4)
        if not message:
            sys.exit()
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if os.fork() == 0:
            requests.close()
            return _started(json.loads(message), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _started(command: dict[str, object], stdin: int, stdout: int, stderr: int, report: int) -> list[str]:
    """Return in a child; stay behind and report its id, then its exit status."""
    if pid := os.fork():
        os.closerange(0, report)
        os.write(report, b"%d\n" % pid)
        _, ended = os.waitpid(pid, 0)
        os.write(report, b"%d\n" % os.waitstatus_to_exitcode(ended))
        os._exit(0)
    os.setsid()
    for standard, descriptor in enumerate((stdin, stdout, stderr)):
        os.dup2(descriptor, standard)
    os.closerange(3, report + 1)
    # As new as in a new process: they remember of what kind their file was.
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.environ.clear()
    if command["strict"]:
        warnings.simplefilter("error")
    os.environ.update(command["env"])  # type: ignore[arg-type]  # as forked.py sends it
    return command["words"]  # type: ignore[return-value]  # the same


def main() -> None:
    """Serve; in each child, run its command."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for library in LIBRARIES:
        import_module(library)
    gc.collect()
    gc.freeze()
    package, *arguments = next_command(socket.socket(fileno=int(sys.argv[1])))
    sys.argv[1:] = arguments
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    with suppress(ModuleNotFoundError):
        import_module("sitecustomize")
    runpy.run_module(package, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
