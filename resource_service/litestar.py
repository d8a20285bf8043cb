"""Litestar's exception handler for callers whose token does not suffice.

::

    app = BearerMiddleware(Litestar([home], exception_handlers={Refused: refused}), issuer=…, audience=…, keys=…)

Litestar turns exceptions into answers before the guard around it sees them; this handler makes the guard's answer.
"""

from typing import Any

from .frameworks import needed

with needed("litestar", (2, 10), by=__name__):
    from litestar import Request, Response

from .asgi import Refused

__all__ = ["refused"]


def refused(_request: Request[Any, Any, Any], error: Refused) -> Response[bytes]:
    """Return the answer that *error* carries (RFC 6750 §3)."""
    headers = {**error.refusal.headers, "Content-Type": "application/json; charset=utf-8"}
    return Response(error.refusal.body.encode(), status_code=error.refusal.status, headers=headers)
