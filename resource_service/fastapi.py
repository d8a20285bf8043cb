"""FastAPI dependencies: the caller's claims, and what a route requires.

::

    from fastapi import Depends, FastAPI
    from dualtoken.resource_service.asgi import BearerMiddleware
    from dualtoken.resource_service.fastapi import claims, requires

    app = FastAPI()
    app.add_middleware(
        BearerMiddleware, issuer="https://auth.example", audience="https://api.example", keys="access.jwks.json"
    )

    @app.get("/home")
    async def home(who=Depends(claims)):
        return {"sub": who.sub}

    @app.post("/notes", dependencies=[Depends(requires("write"))])
    async def write_note(): ...

Both appear in the OpenAPI document and as the padlock on its page, and work on WebSockets.
"""

from .frameworks import needed

with needed("fastapi", (0, 100), by=__name__):
    from fastapi.openapi.models import HTTPBearer
    from fastapi.requests import HTTPConnection
    from fastapi.security import SecurityScopes
    from fastapi.security.base import SecurityBase

from .asgi import require
from .verification.claims import Claims
from .web.needs import Needed, checked

__all__ = ["claims", "requires"]


class BearerToken(SecurityBase):
    """A dependency that returns the claims of the caller's token, if they suffice.

    Args:
        needed: a scope, or a predicate on the claims; None: any good token suffices.
    """

    def __init__(self, needed: Needed | None = None) -> None:
        self.model = HTTPBearer(bearerFormat="JWT", description="An access token (RFC 9068).")
        self.scheme_name = "Bearer"
        self._needed = needed

    async def __call__(self, connection: HTTPConnection, security: SecurityScopes) -> Claims:
        """Return the claims; supports ``Security(claims, scopes=["write"])``. Raises: as ``require``."""
        for scope in security.scopes:
            require(connection.scope, scope)
        return require(connection.scope, self._needed)


claims = BearerToken()
"""The caller's claims: ``Depends(claims)``."""


def requires(needed: Needed) -> BearerToken:
    """Return a dependency that accepts only some tokens: ``Depends(requires("write"))``.

    Args:
        needed: a scope, or a predicate on the claims.

    Raises:
        ValueError: *needed* is a string but not one scope (RFC 6749 §3.3).
        TypeError: it is not a predicate, or is a coroutine function.
    """
    return BearerToken(checked(needed))
