"""Both services on their usual ports, for play."""

import asyncio
import signal

from rich.console import Console

from client.exits import Exit
from client.services import running_services

AUTH_PORT = 8001
RESOURCE_PORT = 8002
ACCESS_TTL_S = 10


async def play(console: Console, *, auth_port: int, resource_port: int) -> Exit:
    """Run both services until Ctrl-C or SIGTERM.

    Raises:
        ServiceFailed: one did not start.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopped.set)
    async with running_services(
        access_ttl_s=ACCESS_TTL_S, auth_port=auth_port, resource_port=resource_port
    ) as services:
        console.print(f"auth service      {services.auth_url}", highlight=False)
        console.print(f"resource service  {services.api_url}", highlight=False)
        console.print(f"user              {services.username}", highlight=False)
        console.print(f"password          {services.password}", highlight=False, markup=False)
        console.print(f"\nAccess tokens live {ACCESS_TTL_S} s. In another shell:", highlight=False)
        console.print(
            f"  python -m client login --auth {services.auth_url} --user {services.username}", highlight=False
        )
        console.print(f"  python -m client get {services.api_url}/home", highlight=False)
        console.print("\nCtrl-C ends both and forgets everything.", highlight=False)
        await stopped.wait()
    return Exit.OK
