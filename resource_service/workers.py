"""Several processes on one port: gunicorn with aiohttp's worker, one application and one follower in each."""

import asyncio
import logging
import socket
from pathlib import Path
from typing import Any

from aiohttp import web
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

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a default of Linux, used only where it exists


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn has no annotations
    """Hands gunicorn's own lines to the log of this service."""

    def setup(self, cfg: Any) -> None:
        """Take the level alone; handlers and format are those of the root logger."""
        self.cfg = cfg
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)
        self._access_log_enabled = False


class Workers(BaseApplication):  # type: ignore[misc]  # gunicorn has no annotations
    """Keeps *settings.workers* processes alive that serve on *sock*."""

    def __init__(self, settings: Settings, sock: socket.socket) -> None:
        self._settings = settings
        self._url = address(settings, sock)
        # gunicorn duplicates the descriptor and closes this one.
        self._descriptor = sock.detach()
        super().__init__()

    def load_config(self) -> None:
        """Translate the settings."""
        options = {
            "bind": f"fd://{self._descriptor}",
            "workers": self._settings.workers,
            "worker_class": "aiohttp.GunicornUVLoopWebWorker",
            "backlog": BACKLOG,
            "graceful_timeout": int(SHUTDOWN_S),
            "logger_class": Logger,
            # It would write into the home directory, which a read-only container does not have.
            "control_socket_disable": True,
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

    def load(self) -> Any:
        """Give gunicorn what makes one worker's runner, inside that worker."""

        async def make_runner() -> web.AppRunner:
            made = runner(self._settings)
            spare_collector()
            return made

        return make_runner


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
