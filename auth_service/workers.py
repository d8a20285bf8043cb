"""Several processes on one address: gunicorn with aiohttp's worker, one application in each."""

import asyncio
import logging
import os
import socket
import ssl
import sys
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web
from aiohttp.worker import GunicornUVLoopWebWorker
from gunicorn import glogging
from gunicorn.app.base import BaseApplication

from auth_service.errors import StartupError, Unavailable
from auth_service.serving import announce, make_runner, spare_collector, tls_context
from auth_service.settings import Settings
from auth_service.shared_metrics import forget_gauges
from auth_service.store import TRANSACTION_S

MakeApp = Callable[[], web.Application]

_EXIT_S = 2
"""More than a worker takes to end once its last transaction, which may still be in flight after its time, is over."""
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 4.0

log = structlog.get_logger(__name__)


class Logger(glogging.Logger):  # type: ignore[misc] # gunicorn has no types
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


class Workers(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """Keeps *settings.workers* processes alive that share *listener*."""

    def __init__(self, make_app: MakeApp, settings: Settings, listener: socket.socket) -> None:
        self._make_app, self._settings = make_app, settings
        self._worker: Any = None  # the process that this is, once it has been forked
        self._descriptor = listener.detach()  # gunicorn makes a socket of its own of it
        super().__init__()

    def load_config(self) -> None:
        """Translate the settings."""
        options = {
            "bind": f"fd://{self._descriptor}",
            "workers": self._settings.workers,
            "worker_class": Worker,
            "graceful_timeout": self._settings.shutdown_s + TRANSACTION_S + _EXIT_S,
            "timeout": 60,
            "control_socket_disable": True,
            "logger_class": Logger,
            "certfile": self._settings.tls_cert and str(self._settings.tls_cert),
            "keyfile": self._settings.tls_key and str(self._settings.tls_key),
            "post_fork": self._become,
            "child_exit": lambda _arbiter, worker: forget_gauges(worker.pid),
            "when_ready": lambda server: announce(server.LISTENERS[0], tls=self._settings.tls_cert is not None),
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def _become(self, _arbiter: Any, worker: Any) -> None:
        self._worker = worker

    def load(self) -> Any:
        """Give gunicorn what makes one worker's runner, inside that worker."""

        async def runner() -> web.AppRunner:
            made = await self._set_up()
            spare_collector()
            return made

        return runner

    async def _set_up(self) -> web.AppRunner:
        """Return a runner that is set up, as soon as the files and the database let it.

        The first process has found all of them good. A worker that failed would end all others with it: gunicorn takes
        one that ends before it serves for a service that cannot start.
        """
        pause_s = _FIRST_PAUSE_S
        while self._is_wanted():
            self._worker.notify()
            try:
                self._worker.tls = tls_context(self._settings)
                made = make_runner(self._make_app(), self._settings)
                await made.setup()
            except (StartupError, Unavailable) as exc:
                log.error("worker.waiting", pid=os.getpid(), problem=str(exc))  # noqa: TRY400 - the text names the cause
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                log.info("worker.ready", pid=os.getpid())
                return made
        sys.exit(0)

    def _is_wanted(self) -> bool:
        """Whether neither SIGTERM came nor the first process ended."""
        return bool(self._worker.alive) and self._worker.ppid == os.getppid()


def serve_with_workers(make_app: MakeApp, settings: Settings, listener: socket.socket) -> None:
    """Serve in ``settings.workers`` processes that share the socket, until SIGTERM; one that dies is replaced.

    Raises:
        StartupError: certificate or key cannot be used.
    """
    tls_context(settings)  # what every worker would fail at is named once, before any of them starts
    Workers(make_app, settings, listener).run()
