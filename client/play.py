"""Both services and the web page on their usual ports, for play."""

import asyncio
import signal

from rich.console import Console
from yarl import URL

from client.exits import Exit
from client.page import DEFAULT_PORT, serving_page
from client.services import running_services

AUTH_PORT = 8001
RESOURCE_PORT = 8002
ACCESS_TTL_S = 10
# By name: a browser takes 127.0.0.1 and localhost for two sites, and sends a SameSite cookie within one alone.
PAGE_ORIGIN = f"http://localhost:{DEFAULT_PORT}"


async def play(console: Console) -> Exit:
    """Run both services and the page until Ctrl-C or SIGTERM.

    Raises:
        ServiceFailed: one did not start.
        ConfigurationError: the page's port is taken.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopped.set)
    async with (
        running_services(
            access_ttl_s=ACCESS_TTL_S, leeway_s=0, auth_port=AUTH_PORT, resource_port=RESOURCE_PORT,
            page_origin=PAGE_ORIGIN,
        ) as services,
        serving_page(
            host="127.0.0.1", port=DEFAULT_PORT,
            auth_url=_by_name(services.auth_url), api_url=_by_name(services.api_url),
        ),
    ):  # fmt: skip
        console.print(f"web page          {PAGE_ORIGIN}", highlight=False, style="bold")
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
