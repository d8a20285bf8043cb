"""One process that serves until it is told to stop."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import ssl
import sys

import structlog
from aiohttp import web
from yarl import URL

from resource_service.app import create_app
from resource_service.errors import KeySetRefused, StartProblem
from resource_service.settings import Settings
from resource_service.telemetry import is_wanted
from resource_service.web.protocol import JsonRunner

log = structlog.get_logger(__name__)

BACKLOG = 1024
# Longer than proxies keep an idle connection (60 s), so that they never send into one that is being closed. It also
# bounds the time that a request's head may take: aiohttp's own default is an hour.
KEEPALIVE_S = 75
MOST_DESCRIPTORS = 65_536
SHUTDOWN_S = 10.0
"""Seconds that requests under way have to finish."""


def bind(settings: Settings) -> socket.socket:
    """Take the port before anything else starts.

    Raises:
        StartProblem: it is in use, or not ours to take.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        # create_server() adds the address to the text.
        problem = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise StartProblem(f"cannot listen on {settings.host}:{settings.port}: {problem}") from None


def allow_many_connections() -> None:
    """Let this process, and its workers, open as many files as the system allows: each connection is one.

    Shells and systemd begin with 1,024, for programs that use ``select``; an idle connection holds one for
    ``KEEPALIVE_S``. The hard limit stays the operator's, who may set it as low as he likes.
    """
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            # macOS refuses more than kern.maxfilesperproc, whatever the hard limit says.
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def address(settings: Settings, sock: socket.socket) -> str:
    """Name the URL that *sock* serves."""
    scheme = "https" if settings.tls_cert else "http"
    return str(URL.build(scheme=scheme, host=settings.host, port=sock.getsockname()[1])).rstrip("/")


def announce(url: str) -> None:
    """Tell whoever started the service that it is ready, and where: one line on standard output."""
    print(f"resource_service listening on {url}", flush=True)


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """Load the certificate, where one is configured.

    Raises:
        StartProblem: it cannot be used.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except OSError as error:
        # ssl.SSLError is an OSError.
        raise StartProblem(f"RESOURCE_TLS_CERT, RESOURCE_TLS_KEY: {error.strerror}") from None
    return context


def runner(settings: Settings) -> web.AppRunner:
    """Make what runs one worker's application."""
    return _runner_class()(create_app(settings), shutdown_timeout=SHUTDOWN_S, keepalive_timeout=KEEPALIVE_S)


def spare_collector() -> None:
    """Let the collector pass over what was made until now: it lives as long as the process."""
    gc.collect()
    gc.freeze()


def _runner_class() -> type[JsonRunner]:
    if not is_wanted():
        return JsonRunner
    from resource_service.web.spans import SpannedRunner

    return SpannedRunner


async def serve(settings: Settings, sock: socket.socket) -> None:
    """Serve on *sock* until SIGTERM or SIGINT, then finish what is under way.

    Raises:
        StartProblem: the application could not start.
    """
    context = tls_context(settings)
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    application = runner(settings)
    try:
        await application.setup()
        spare_collector()
        await web.SockSite(application, sock, ssl_context=context, backlog=BACKLOG).start()
        announce(address(settings, sock))
        await stop.wait()
    except KeySetRefused as error:
        raise StartProblem(str(error)) from None
    finally:
        await application.cleanup()


def run(settings: Settings) -> None:
    """Serve from this process, on uvloop where there is one.

    Raises:
        StartProblem: the service could not start.
    """
    loop_factory = None
    if sys.platform != "win32":
        with contextlib.suppress(ImportError):
            import uvloop

            loop_factory = uvloop.new_event_loop
    allow_many_connections()
    with bind(settings) as sock, asyncio.Runner(loop_factory=loop_factory) as event_loop:
        event_loop.run(serve(settings, sock))
