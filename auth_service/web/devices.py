"""The device data of a request."""

from aiohttp import hdrs, web

from ..domain.models import Device
from .addresses import client_address

_MAX_USER_AGENT = 256


def device_of(request: web.Request) -> Device:
    """Return what a list of sessions will show of the caller."""
    agent = request.headers.get(hdrs.USER_AGENT, "")[:_MAX_USER_AGENT]
    # Header bytes that are no UTF-8 arrive as lone surrogates, which no database stores.
    return Device(agent.encode(errors="replace").decode(), client_address(request))
