"""Serve from this process until a signal stops it; shared with several processes (see ``workers``).

The socket is bound first, so that a port in use is one clear line. SIGTERM ends in order: stop accepting, finish what
is in flight, exit 0.
"""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from yarl import URL

from .connection import JsonRunner
from .errors import StartProblem
from .metrics import keep_to_this_process, shared_directory

BACKLOG = 1024
# Longer than proxies keep an idle connection (60 s), so that they never send into one that is being closed. It also
# bounds the time that a request's head may take: aiohttp's own default is an hour.
KEEPALIVE_S = 75
MOST_DESCRIPTORS = 65_536
# Objects that may be made before the collector looks at them; as by default from Python 3.13 on. Before, it is 700: the
# requests of one batch of rotations hold more, and were looked at again and again, for nothing.
_YOUNG = 2_000


@dataclass(frozen=True, kw_only=True)
class Serving:
    """One service, as far as what serves it must know.

    Attributes:
        service: its name, for people, metrics and spans.
        prefix: of its settings, such as ``AUTH_``: messages name them.
        host: where it listens.
        port: where it listens; 0 lets the system choose.
        workers: how many processes serve.
        tls_cert: certificate chain, PEM; without one it speaks plain HTTP.
        tls_key: its key, PEM.
        handling_s: seconds that handlers have to finish at the end; once more, after they were told to.
        ending_s: seconds after which a worker that was told to end is killed.
        make_app: makes one worker's application.
        waits_for: what a replaced worker waits out when its application raises it on start-up, instead of ending.
    """

    service: str
    prefix: str
    host: str
    port: int
    workers: int
    tls_cert: Path | None
    tls_key: Path | None
    handling_s: float
    ending_s: int
    make_app: Callable[[], web.Application]
    waits_for: tuple[type[Exception], ...] = ()

    def tls_context(self) -> ssl.SSLContext | None:
        """Load the certificate, where one is configured.

        Raises:
            StartProblem: certificate or key cannot be used.
        """
        if self.tls_cert is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.tls_cert, self.tls_key)
        except OSError as exc:  # ssl.SSLError is one, and has no strerror at times
            names = f"{self.prefix}TLS_CERT, {self.prefix}TLS_KEY"
            raise StartProblem(f"{names}: {exc.strerror or exc}") from None
        return context

    def make_runner(self, app: web.Application) -> JsonRunner:
        """Return the runner of *app*, for one process or several."""
        return JsonRunner(
            app,
            service=self.service,
            shutdown_timeout=self.handling_s,
            keepalive_timeout=KEEPALIVE_S,
        )

    def announce(self, port: int) -> None:
        """Print on standard output, in one line, that the service is ready, and its address."""
        scheme = "http" if self.tls_cert is None else "https"
        url = str(URL.build(scheme=scheme, host=self.host, port=port)).rstrip("/")
        print(f"{self.service} listening on {url}", flush=True)


def bind(host: str, port: int, prefix: str) -> socket.socket:
    """Return a listening socket; port 0 lets the system choose.

    Args:
        host: where to listen, a name or an address; ``::`` is every address, those of IPv4 included.
        port: 0 to 65535.
        prefix: of the settings that name both.

    Raises:
        StartProblem: the port is in use, or the address is not this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        every = host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=every)
    except (OSError, UnicodeError) as exc:
        way_out = f"set {prefix}HOST or {prefix}PORT (0: any free one)"
        raise StartProblem(f"cannot listen on {host}:{port}: {_reason(exc)}: {way_out}") from None


def _reason(exc: OSError | UnicodeError) -> str:
    if isinstance(exc, UnicodeError):  # of a name that IDNA cannot encode
        return "not a host name"
    # create_server() adds the address to the text; errors of getaddrinfo() have numbers of their own.
    return os.strerror(exc.errno) if exc.errno and exc.errno > 0 else str(exc.strerror)


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


def spare_collector() -> None:
    """Let the collector pass over what was made until now, which lives as long as the process, and look less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's factory, or None where there is no uvloop (Windows)."""
    if sys.platform != "win32":
        with contextlib.suppress(ImportError):
            import uvloop

            return uvloop.new_event_loop
    return None


async def serve(serving: Serving, listener: socket.socket) -> None:
    """Serve in this process until SIGTERM or SIGINT, then finish what is under way.

    Raises:
        StartProblem: the certificate cannot be used; and what the application raises on start-up.
    """
    context = serving.tls_context()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    runner = serving.make_runner(serving.make_app())
    try:
        await runner.setup()
        spare_collector()
        await web.SockSite(runner, listener, ssl_context=context, backlog=BACKLOG).start()
        serving.announce(listener.getsockname()[1])
        await stopped.wait()
    finally:
        await runner.cleanup()


def run(serving: Serving) -> None:
    """Serve until SIGTERM or SIGINT, from this process or from several.

    Raises:
        StartProblem: certificate or port cannot be used; and what the application raises on start-up.
    """
    allow_many_connections()
    with bind(serving.host, serving.port, serving.prefix) as listener:
        if serving.workers == 1:
            keep_to_this_process()
            with asyncio.Runner(loop_factory=loop_factory()) as event_loop:
                event_loop.run(serve(serving, listener))
        else:
            from .workers import serve_with_workers

            with shared_directory(serving.service):
                serve_with_workers(serving, listener)
