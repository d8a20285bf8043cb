"""A held port is a server's own, between its lives too."""

import asyncio
import socket

import pytest

from tests.connection import connect, connected, listening
from tests.ports import held_ports


async def hang_up(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Say nothing."""


async def test_only_a_server_that_asks_for_a_held_port_has_it() -> None:
    """Without a server it refuses connections and no other socket gets it; servers come and go there."""
    with held_ports(2) as (port, other):
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                await connect("127.0.0.1", port)
            with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
                stranger.bind(("127.0.0.1", port))
            async with listening(hang_up, port), connected("127.0.0.1", port):
                pass

    assert port != other
