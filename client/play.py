"""Both services and the web page, for play."""

import asyncio

from rich.console import Console
from yarl import URL

from client.exits import Exit, interruptible
from client.page import bind, serving_page
from client.services import running_services

AUTH_PORT = 8001
RESOURCE_PORT = 8002
ACCESS_TTL_S = 10


async def play(console: Console, *, auth_port: int, resource_port: int, page_port: int) -> Exit:
    """Run both services and the page until Ctrl-C or SIGTERM.

    Raises:
        ServiceFailed: one did not start.
        ConfigurationError: the page's port is taken.
    """
    stopped = asyncio.Event()
    with interruptible(stopped.set), bind("127.0.0.1", page_port) as listener:
        # By name: a browser takes 127.0.0.1 and localhost for two sites, and sends a SameSite cookie within one alone.
        origin = f"http://localhost:{listener.getsockname()[1]}"
        async with (
            running_services(
                access_ttl_s=ACCESS_TTL_S, leeway_s=0, auth_port=auth_port, resource_port=resource_port,
                page_origin=origin,
            ) as services,
            serving_page(listener, auth_url=_by_name(services.auth_url), api_url=_by_name(services.api_url)),
        ):  # fmt: skip
            console.print(f"web page          {origin}", highlight=False, style="bold")
            console.print(f"user              {services.username}", highlight=False)
            console.print(f"password          {services.password}", highlight=False, markup=False)
            console.print(f"auth service      {services.auth_url}", highlight=False)
            console.print(f"resource service  {services.api_url}", highlight=False)
            console.print(f"\nAccess tokens live {ACCESS_TTL_S} s. In another shell:", highlight=False)
            console.print(
                f"  python -m client login --auth {services.auth_url} --user {services.username}", highlight=False
            )
            console.print(f"  python -m client get {services.api_url}/home", highlight=False)
            console.print("\nCtrl-C ends all and forgets everything.", highlight=False)
            await stopped.wait()
    return Exit.OK


def _by_name(url: str) -> str:
    return str(URL(url).with_host("localhost"))
