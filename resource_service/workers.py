"""Several processes on one port: gunicorn with aiohttp's worker, one application and one follower in each."""

import asyncio
import logging
import os
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web
from aiohttp.worker import GunicornUVLoopWebWorker
from gunicorn import glogging
from gunicorn.app.base import BaseApplication
from prometheus_client import multiprocess

from resource_service.errors import KeySetRefused, StartProblem
from resource_service.key_file import KeyFile
from resource_service.serving import (
    BACKLOG,
    SHUTDOWN_S,
    address,
    allow_many_connections,
    announce,
    bind,
    runner,
    spare_collector,
    tls_context,
)
from resource_service.settings import Settings

_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 4.0
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a default of Linux, used only where it exists

log = structlog.get_logger(__name__)


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn has no annotations
    """Hands gunicorn's own lines to the log of this service."""

    def setup(self, cfg: Any) -> None:
        """Take the level alone; handlers and format are those of the root logger."""
        self.cfg = cfg
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)
        self._access_log_enabled = False


class Worker(GunicornUVLoopWebWorker):
    """Serves by the TLS context that was good when it set up its application, not by files read once more."""

    tls: ssl.SSLContext
    """Asked for where a certificate is configured, and set then."""

    def _create_ssl_context(self, _cfg: Any) -> ssl.SSLContext:  # type: ignore[override]  # there it has no self
        return self.tls


class Workers(BaseApplication):  # type: ignore[misc]  # gunicorn has no annotations
    """Keeps *settings.workers* processes alive that serve on *sock*."""

    def __init__(self, settings: Settings, sock: socket.socket) -> None:
        self._settings = settings
        self._url = address(settings, sock)
        self._worker: Any = None  # the process that this is, once it has been forked
        # gunicorn duplicates the descriptor and closes this one.
        self._descriptor = sock.detach()
        super().__init__()

    def load_config(self) -> None:
        """Translate the settings."""
        options = {
            "bind": f"fd://{self._descriptor}",
            "workers": self._settings.workers,
            "worker_class": Worker,
            "backlog": BACKLOG,
            "graceful_timeout": int(SHUTDOWN_S),
            "logger_class": Logger,
            # It would write into the home directory, which a read-only container does not have.
            "control_socket_disable": True,
            "post_fork": self._become,
            "child_exit": _forget_numbers,
            "when_ready": lambda _arbiter: announce(self._url),
        }
        if SHARED_MEMORY.is_dir():
            # Workers show that they live by touching a file: memory never stalls as a busy disk does.
            options["worker_tmp_dir"] = str(SHARED_MEMORY)
        if self._settings.tls_cert and self._settings.tls_key:
            options |= {"certfile": str(self._settings.tls_cert), "keyfile": str(self._settings.tls_key)}
        for name, value in options.items():
            self.cfg.set(name, value)

    def _become(self, _arbiter: Any, worker: Any) -> None:
        self._worker = worker

    def load(self) -> Any:
        """Give gunicorn what makes one worker's runner, inside that worker."""

        async def make_runner() -> web.AppRunner:
            made = await self._set_up()
            spare_collector()
            return made

        return make_runner

    async def _set_up(self) -> web.AppRunner:
        """Return a runner that is set up, as soon as key file and certificate let it.

        The first process has found them good. A worker that failed would end all others with it: gunicorn takes one
        that ends before it serves for a service that cannot start.
        """
        pause_s = _FIRST_PAUSE_S
        while self._is_wanted():
            self._worker.notify()
            try:
                self._worker.tls = tls_context(self._settings)
                made = runner(self._settings)
                await made.setup()
            except (KeySetRefused, StartProblem) as error:
                log.error("worker.waiting", pid=os.getpid(), problem=str(error))  # noqa: TRY400 - the text says it all
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                log.info("worker.ready", pid=os.getpid())
                return made
        sys.exit(0)

    def _is_wanted(self) -> bool:
        """Whether neither SIGTERM came nor the first process ended."""
        return bool(self._worker.alive) and self._worker.ppid == os.getppid()


def _forget_numbers(_arbiter: Any, worker: Any) -> None:
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # as prometheus_client has it


def run(settings: Settings) -> None:
    """Serve from several processes until SIGTERM; a worker that dies is replaced.

    Raises:
        StartProblem: the service could not start.
    """
    # What every worker would fail at is found out once, here, where it can be named.
    tls_context(settings)
    if settings.keys is not None:
        try:
            asyncio.run(KeyFile(settings.keys).fetch())
        except KeySetRefused as error:
            raise StartProblem(str(error)) from None
    allow_many_connections()
    Workers(settings, bind(settings)).run()
