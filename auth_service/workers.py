"""Several processes on one address: gunicorn with aiohttp's worker, one application in each."""

import logging
import socket
from collections.abc import Callable
from typing import Any

from aiohttp import web
from gunicorn import glogging
from gunicorn.app.base import BaseApplication

from auth_service.serving import announce, make_runner, spare_collector, tls_context
from auth_service.settings import Settings
from auth_service.shared_metrics import forget_gauges

MakeApp = Callable[[], web.Application]


class Logger(glogging.Logger):  # type: ignore[misc] # gunicorn has no types
    """Hands gunicorn's own lines to the log of this service."""

    def setup(self, cfg: Any) -> None:
        """Take the level alone; handlers and format are those of the root logger."""
        self.cfg = cfg
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)
        self._access_log_enabled = False


class Workers(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """Keeps *settings.workers* processes alive that share *listener*."""

    def __init__(self, make_app: MakeApp, settings: Settings, listener: socket.socket) -> None:
        self._make_app, self._settings = make_app, settings
        self._descriptor = listener.detach()  # gunicorn makes a socket of its own of it
        super().__init__()

    def load_config(self) -> None:
        """Translate the settings."""
        options = {
            "bind": f"fd://{self._descriptor}",
            "workers": self._settings.workers,
            "worker_class": "aiohttp.GunicornUVLoopWebWorker",
            "graceful_timeout": self._settings.shutdown_s,
            "timeout": 60,
            "control_socket_disable": True,
            "logger_class": Logger,
            "certfile": self._settings.tls_cert and str(self._settings.tls_cert),
            "keyfile": self._settings.tls_key and str(self._settings.tls_key),
            "child_exit": lambda _arbiter, worker: forget_gauges(worker.pid),
            "when_ready": lambda server: announce(server.LISTENERS[0], tls=self._settings.tls_cert is not None),
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Give gunicorn what makes one worker's runner, inside that worker."""

        async def runner() -> web.AppRunner:
            made = make_runner(self._make_app(), self._settings)
            spare_collector()
            return made

        return runner


def serve_with_workers(make_app: MakeApp, settings: Settings, listener: socket.socket) -> None:
    """Serve in ``settings.workers`` processes that share the socket, until SIGTERM; one that dies is replaced.

    Raises:
        StartupError: certificate or key cannot be used.
    """
    tls_context(settings)  # what every worker would fail at is named once, before any of them starts
    Workers(make_app, settings, listener).run()
