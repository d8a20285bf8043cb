"""Bearer tokens for ASGI applications: FastAPI, Starlette, Litestar, or none of them.

::

    from dualtoken.resource_service.asgi import BearerMiddleware

    app.add_middleware(
        BearerMiddleware, issuer="https://auth.example", audience="https://api.example", keys="access.jwks.json"
    )

From then on every route needs an access token, and finds who calls in ``scope["state"]["claims"]``.
"""

from ..frameworks import needing_the_extra

with needing_the_extra(__name__):
    from .middleware import BearerMiddleware, Refused, claims_of, require

__all__ = ["BearerMiddleware", "Refused", "claims_of", "require"]
