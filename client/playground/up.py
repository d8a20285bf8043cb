"""Both services and the web page, for play."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from yarl import URL

from ..commands.exit_codes import Exit, interruptible
from ..commands.invocation import COMMAND
from .page_server import bind, built_with_vue, serving_page
from .services import Services, running_services

ACCESS_TTL_S: Final = 10
# The tutorial's page, in a checkout alone: what it is built of comes from npm, and a wheel carries none of it.
TUTORIAL: Final = Path(__file__).parents[2] / "examples" / "vue-axios"


async def play(console: Console, *, auth_port: int, resource_port: int, page_port: int) -> Exit:
    """Run both services and the page until Ctrl-C or SIGTERM.

    Raises:
        ServiceFailed: one did not start.
        ConfigurationError: the page's port is taken.
    """
    stopped = asyncio.Event()
    with interruptible(stopped.set), bind("127.0.0.1", page_port) as page, bind("127.0.0.1", 0) as tutorial:
        # By name: a browser takes 127.0.0.1 and localhost for two sites, and sends a SameSite cookie within one alone.
        origins = [f"http://localhost:{listener.getsockname()[1]}" for listener in (page, tutorial)]
        async with running_services(
            access_ttl_s=ACCESS_TTL_S, leeway_s=0, auth_port=auth_port, resource_port=resource_port,
            page_origin=" ".join(origins),
        ) as services:  # fmt: skip
            auth_url, api_url = _by_name(services.auth_url), _by_name(services.api_url)
            async with (
                serving_page(page, auth_url=auth_url, api_url=api_url),
                _serving_tutorial(tutorial, auth_url=auth_url, api_url=api_url) as built,
            ):
                _tell(console, services, origins[0], origins[1] if built else None)
                await stopped.wait()
    return Exit.OK


@asynccontextmanager
async def _serving_tutorial(listener: socket.socket, *, auth_url: str, api_url: str) -> AsyncIterator[bool]:
    """Serve the tutorial's page, if somebody has built it; yield whether."""
    built = TUTORIAL / "dist"
    if not (built / "index.html").exists():
        listener.close()
        yield False
        return
    async with serving_page(listener, auth_url=auth_url, api_url=api_url, site=built_with_vue(built)):
        yield True


def _tell(console: Console, services: Services, page: str, tutorial: str | None) -> None:
    console.print(f"web page          {page}", highlight=False, style="bold")
    if tutorial is not None:
        console.print(f"tutorial's page   {tutorial}", highlight=False)
    elif TUTORIAL.exists():
        console.print("tutorial's page   once npm install && npm run build ran in examples/vue-axios", highlight=False)
    console.print(f"user              {services.username}", highlight=False)
    console.print(f"password          {services.password}", highlight=False, markup=False)
    console.print(f"auth service      {services.auth_url}", highlight=False)
    console.print(f"resource service  {services.api_url}", highlight=False)
    console.print(f"\nAccess tokens live {ACCESS_TTL_S} s. In another shell:", highlight=False)
    console.print(f"  {COMMAND} login --auth {services.auth_url} --user {services.username}", highlight=False)
    console.print(f"  {COMMAND} get {services.api_url}/home", highlight=False)
    console.print("\nCtrl-C ends all and forgets everything.", highlight=False)


def _by_name(url: str) -> str:
    return str(URL(url).with_host("localhost"))
