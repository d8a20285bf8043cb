"""``demo``, ``up``, ``web``: the commands that show the product at work."""

from typing import Annotated, Final

import typer

from ..commands.exit_codes import Exit, run
from ..commands.options import Port

AUTH_PORT: Final = 8001
RESOURCE_PORT: Final = 8002
PAGE_PORT: Final = 8003
# By name: a browser takes 127.0.0.1 and localhost for two sites.
PAGE_AUTH_URL: Final = f"http://localhost:{AUTH_PORT}"
PAGE_API_URL: Final = f"http://localhost:{RESOURCE_PORT}"


def demo() -> None:
    """Show one refresh serving hundreds of requests at each expiry, and a thief ending the session."""

    async def work() -> Exit:
        from rich.console import Console

        from . import demo as demonstration

        return Exit.OK if await demonstration.run(Console()) else Exit.FAILED

    run(work())


def up(auth_port: Port = AUTH_PORT, resource_port: Port = RESOURCE_PORT, page_port: Port = PAGE_PORT) -> None:
    """Run both services and the web page to try them, with a user, until Ctrl-C."""

    async def work() -> Exit:
        from rich.console import Console

        from .up import play

        return await play(Console(), auth_port=auth_port, resource_port=resource_port, page_port=page_port)

    run(work())


def web(
    host: Annotated[
        str, typer.Option("--host", metavar="HOST", envvar="WEB_HOST", help="Where to listen.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="PORT", envvar="WEB_PORT", min=0, max=65535, help="0: any free port.")
    ] = PAGE_PORT,
    auth: Annotated[
        str,
        typer.Option("--auth", metavar="URL", envvar="WEB_AUTH_URL", help="URL of the auth service for browsers."),
    ] = PAGE_AUTH_URL,
    api: Annotated[
        str,
        typer.Option("--api", metavar="URL", envvar="WEB_API_URL", help="URL of the resource service for browsers."),
    ] = PAGE_API_URL,
) -> None:
    """Serve the web page. Both services must list its origin: AUTH_CORS_ORIGINS, RESOURCE_CORS_ORIGINS."""

    async def work() -> Exit:
        from .page_server import serve_page

        return await serve_page(host=host, port=port, auth_url=auth, api_url=api)

    run(work())
