"""Serves the web page: static files under a strict Content-Security-Policy, and the addresses of both services."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web
from yarl import URL

from ..commands.exit_codes import Exit, interruptible
from ..errors import ConfigurationError
from ..wire.url_policy import auth_base

FILES: Final = Path(__file__).parents[1] / "web"
SHUTDOWN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Site:
    """The files of a page. ``names``, below *folder*; ``trusted_types``: the policies that its scripts may make."""

    folder: Path
    names: tuple[str, ...]
    trusted_types: str = "'none'"


DEMONSTRATION: Final = Site(
    FILES,
    (
        "app.js", "icon.svg", "silent-refresh.js", "style.css", "thief.js", "timeline.js", "words.js",
        *sorted(f"session/{path.name}" for path in (FILES / "session").glob("*.js")),
    ),
)  # fmt: skip


def built_with_vue(folder: Path) -> Site:
    """Return the page that a build has left in *folder*; its ``config.json`` is the server's."""
    files = (str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file())
    return Site(folder, tuple(name for name in files if name not in ("index.html", "config.json")), "vue")


def create_app(auth_url: str, api_url: str, site: Site = DEMONSTRATION) -> web.Application:
    """Wire the page's server.

    Args:
        auth_url: base address of the auth service, as the browser reaches it.
        api_url: the same of the resource service.
        site: the page.

    Raises:
        ConfigurationError: one of them is no address.
    """
    # Plain http to another host is the browser's to refuse: the page may stand behind a proxy that ends TLS.
    auth, api = (auth_base(url, allow_insecure=True) for url in (auth_url, api_url))
    headers = _headers(auth, api, site.trusted_types)
    addresses = {"authUrl": str(auth).rstrip("/"), "apiUrl": str(api).rstrip("/")}

    async def config(_request: web.Request) -> web.Response:
        return web.json_response(addresses)

    async def alive(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def harden(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(headers)

    app = web.Application()
    app.on_response_prepare.append(harden)
    app.add_routes(
        [
            web.get("/", _file(site.folder / "index.html")),
            *(web.get(f"/{name}", _file(site.folder / name)) for name in site.names),
            web.get("/config.json", config),
            web.get("/health/live", alive),
            web.get("/health/ready", alive),
        ]
    )
    return app


def _headers(auth: URL, api: URL, trusted_types: str) -> dict[str, str]:
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": f"'self' {auth.origin()} {api.origin()}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": trusted_types,
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }


def _file(path: Path) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.FileResponse(path)

    return answer


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0: any free one.

    Raises:
        ConfigurationError: the port is taken, or the address is not this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that IDNA cannot encode
        reason = error.strerror if isinstance(error, OSError) else "not a host name"
        raise ConfigurationError(f"cannot listen on {host}:{port}: {reason}: name another (0: any free port)") from None


@asynccontextmanager
async def serving_page(
    listener: socket.socket, *, auth_url: str, api_url: str, site: Site = DEMONSTRATION
) -> AsyncIterator[None]:
    """Serve the page on *listener* until the end of the block.

    Raises:
        ConfigurationError: see :func:`create_app`.
    """
    runner = web.AppRunner(create_app(auth_url, api_url, site), access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()


async def serve_page(*, host: str, port: int, auth_url: str, api_url: str) -> Exit:
    """Serve the page until Ctrl-C or SIGTERM; say where, in one line on standard output.

    Raises:
        ConfigurationError: an address is none, or cannot be listened on.
    """
    stopped = asyncio.Event()
    with interruptible(stopped.set), bind(host, port) as listener:
        async with serving_page(listener, auth_url=auth_url, api_url=api_url):
            shown = f"[{host}]" if ":" in host else host
            print(f"client web listening on http://{shown}:{listener.getsockname()[1]}", flush=True)
            await stopped.wait()
    return Exit.OK
