"""Several processes on one address: gunicorn with aiohttp's worker, one application in each."""

import asyncio
import logging
import os
import signal
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
from gunicorn.arbiter import Arbiter

from .errors import StartProblem
from .metrics import forget_gauges
from .process import BACKLOG, Serving, spare_collector

_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 4.0
_SILENCE_S = 60
"""Seconds without a sign of life after which a worker is killed: its event loop hangs."""
_ENDINGS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a default of Linux, used only where it exists

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


class Supervisor(Arbiter):  # type: ignore[misc]  # gunicorn has no annotations
    """Forks workers that miss no signal to end, however early it comes.

    A fork has the handlers of its parent, which would put the signal into a queue that this process does not read; and
    uvloop forgets what comes before it runs. The signal was lost then, and the parent waited until it had to kill.
    """

    def spawn_worker(self) -> Any:
        """Fork one in which these signals wait until its event loop runs."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
        try:
            return super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDINGS)


class Workers(BaseApplication):  # type: ignore[misc]  # gunicorn has no annotations
    """Keeps *serving.workers* processes alive that share *listener*."""

    def __init__(self, serving: Serving, listener: socket.socket) -> None:
        self._serving = serving
        self._worker: Any = None  # the process that this is, once it has been forked
        self._descriptor = listener.detach()  # gunicorn makes a socket of its own of it
        super().__init__()

    def run(self) -> None:
        """Serve until SIGTERM."""
        Supervisor(self).run()

    def load_config(self) -> None:
        """Translate the settings."""
        serving = self._serving
        options = {
            "bind": f"fd://{self._descriptor}",
            "workers": serving.workers,
            "worker_class": Worker,
            "backlog": BACKLOG,
            "graceful_timeout": serving.ending_s,
            "timeout": _SILENCE_S,
            "logger_class": Logger,
            # It would write into the home directory, which a read-only container does not have.
            "control_socket_disable": True,
            "certfile": serving.tls_cert and str(serving.tls_cert),
            "keyfile": serving.tls_key and str(serving.tls_key),
            "post_fork": self._become,
            "child_exit": lambda _arbiter, worker: forget_gauges(worker.pid),
            "when_ready": lambda arbiter: serving.announce(arbiter.LISTENERS[0].getsockname()[1]),
        }
        if _SHARED_MEMORY.is_dir():
            # Workers show that they live by touching a file: memory never stalls as a busy disk does.
            options["worker_tmp_dir"] = str(_SHARED_MEMORY)
        for name, value in options.items():
            self.cfg.set(name, value)

    def _become(self, _arbiter: Any, worker: Any) -> None:
        self._worker = worker

    def load(self) -> Any:
        """Give gunicorn what makes one worker's runner, inside that worker."""

        async def make_runner() -> web.AppRunner:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDINGS)  # see Supervisor
            made = await self._set_up()
            spare_collector()
            return made

        return make_runner

    async def _set_up(self) -> web.AppRunner:
        """Return a runner that is set up, as soon as the files and what the application needs let it.

        The first process has found all of them good. A worker that failed would end all others with it: gunicorn takes
        one that ends before it serves for a service that cannot start.
        """
        pause_s = _FIRST_PAUSE_S
        waits_for: tuple[type[Exception], ...] = (StartProblem, *self._serving.waits_for)
        while self._is_wanted():
            self._worker.notify()
            try:
                self._worker.tls = self._serving.tls_context()
                made = self._serving.make_runner(self._serving.make_app())
                await made.setup()
            except waits_for as exc:
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


def serve_with_workers(serving: Serving, listener: socket.socket) -> None:
    """Serve from several processes until SIGTERM; one that dies is replaced.

    Raises:
        StartProblem: certificate or key cannot be used.
    """
    serving.tls_context()  # what every worker would fail at is named once, before any of them starts
    Workers(serving, listener).run()
