"""The calls of the team's own backend: opened by its secret alone, counted, and each of them in the log."""

import functools
from collections.abc import Awaitable, Callable

from aiohttp import web

from ..errors import AuthError, TooManyAttempts
from .addresses import client_address
from .app_keys import BACKEND_CALLS, BACKEND_EVENTS
from .credentials import require_backend
from .routes import route_of

Handler = Callable[[web.Request], Awaitable[web.Response]]


def for_backend(handler: Handler) -> Handler:
    """Let only calls with the backend secret through; what is refused then leaves its event."""

    @functools.wraps(handler)
    async def opened(request: web.Request) -> web.Response:
        require_backend(request)
        try:
            await request.app[BACKEND_CALLS].take()
            return await handler(request)
        except TooManyAttempts:
            raise  # they have an event of their own, of which there are few
        except AuthError as exc:
            request.app[BACKEND_EVENTS].refused(route_of(request), exc.code, client_address(request))
            raise

    return opened
