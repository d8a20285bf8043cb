"""A service whose first worker is told to end before its event loop runs: ``python -m … forked`` or ``… loading``.

Each worker says which it is as it makes its application.
"""

import os
import signal
import sys
from typing import Any

from aiohttp import web

from dualtoken_serving.logs import configure_logs
from dualtoken_serving.metrics import shared_directory
from dualtoken_serving.process import Serving, bind
from dualtoken_serving.workers import Workers
from tests.deadline import HANGS_S

_MOMENT = sys.argv[1]
_forks: list[None] = []


def _end_first() -> None:
    if len(_forks) == 1:
        os.kill(os.getpid(), signal.SIGTERM)  # it has arrived when this returns


class _Workers(Workers):
    def load(self) -> Any:
        """Return what makes the runner: the worker's handlers are set, and its event loop does not run yet."""
        if _MOMENT == "loading":
            _end_first()
        return super().load()


def _make_app() -> web.Application:
    print(f"worker {len(_forks)}", flush=True)
    return web.Application()


def main() -> None:
    """Serve; never kill a worker that was told to end."""
    serving = Serving(
        service="early_service",
        prefix="EARLY_",
        host="127.0.0.1",
        port=0,
        workers=1,
        tls_cert=None,
        tls_key=None,
        handling_s=HANGS_S,
        ending_s=round(2 * HANGS_S),
        make_app=_make_app,
    )
    configure_logs("info", serving.service)
    os.register_at_fork(before=lambda: _forks.append(None))
    if _MOMENT == "forked":
        os.register_at_fork(after_in_child=_end_first)
    with bind(serving.host, serving.port, serving.prefix) as listener, shared_directory(serving.service):
        _Workers(serving, listener).run()


if __name__ == "__main__":
    main()
