"""Run the service in this process, and what several processes need as well (see ``workers``).

The socket is bound first, so that a port in use is one clear line. SIGTERM ends in order: stop accepting, finish what
is in flight, commit, exit 0.
"""

import asyncio
import contextlib
import gc
import signal
import socket
import ssl
import sys

from aiohttp import web

from auth_service.errors import StartupError
from auth_service.settings import HANDLING, Settings
from auth_service.telemetry import is_wanted
from auth_service.web.protocol import JsonRunner

NAME = "auth_service"
_BACKLOG = 1024
# Longer than proxies keep an idle connection (60 s), so that they never send into one that is being closed. It also
# bounds the time that a request's head may take: aiohttp's own default is an hour.
KEEPALIVE_S = 75
# How long a thread may wait for the interpreter's lock while the event loop holds it: the default, 5 ms, is longer than
# a whole transaction, and would make SQLite's thread begin only when the event loop has nothing left to do.
_SWITCH_INTERVAL_S = 0.0002
MOST_DESCRIPTORS = 65_536
# Objects that may be made before the collector looks at them; as by default from Python 3.13 on. Before, it is 700: the
# requests of one batch of rotations hold more, and were looked at again and again, for nothing.
_YOUNG = 2_000


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 lets the system choose.

    Raises:
        StartupError: the port is in use, or the address is not this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError) as exc:  # UnicodeError: a name that IDNA cannot encode
        reason = exc.strerror if isinstance(exc, OSError) else "not a host name"
        raise StartupError(f"cannot listen on {host}:{port}: {reason}") from None


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


def announce(listener: socket.socket, *, tls: bool) -> None:
    """Print the one line that says where the service is."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"{NAME} listening on {'https' if tls else 'http'}://{shown}:{port}", flush=True)


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """Return the TLS context of the settings, or None.

    Raises:
        StartupError: certificate or key cannot be used.
    """
    if settings.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as exc:
        raise StartupError(f"AUTH_TLS_CERT, AUTH_TLS_KEY: {exc.strerror or exc}") from None
    return context


def make_runner(app: web.Application, settings: Settings) -> web.AppRunner:
    """Return the runner that both ways of serving use, and set this process's switch interval for it."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    return _runner_class()(
        app,
        # A client that hangs up must not cut a rotation in half.
        handler_cancellation=False,
        shutdown_timeout=settings.shutdown_s * HANDLING,
        keepalive_timeout=KEEPALIVE_S,
    )


def spare_collector() -> None:
    """Let the collector pass over what was made until now, which lives as long as the process, and look less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])


def _runner_class() -> type[JsonRunner]:
    if not is_wanted():
        return JsonRunner
    from auth_service.web.spans import SpannedRunner

    return SpannedRunner


async def serve(app: web.Application, settings: Settings, listener: socket.socket) -> None:
    """Serve in this process until SIGTERM or SIGINT."""
    context = tls_context(settings)
    runner = make_runner(app, settings)
    try:
        await runner.setup()
        spare_collector()
        await web.SockSite(runner, listener, ssl_context=context, backlog=_BACKLOG).start()
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        announce(listener, tls=context is not None)
        await stopped.wait()
    finally:
        await runner.cleanup()
