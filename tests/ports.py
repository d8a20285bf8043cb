"""Ports for a server whose address has to be known before it starts, or that comes back at the same one."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def held_ports(count: int) -> Iterator[list[int]]:
    """Yield ports of the loopback address, all different, that the system gives to nobody else until the end.

    A port that is merely free now may be the local end of some connection a moment later, and then the server
    cannot have it. These are bound, so they are not; without a listener they refuse connections. A server listens
    there beside them if it sets ``SO_REUSEADDR``, as asyncio, nginx, PostgreSQL, Redis and Docker do.
    """
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for holder in sockets:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind(("127.0.0.1", 0))
        yield [holder.getsockname()[1] for holder in sockets]
