"""Starlette's ``request.user`` and ``request.auth``, from the token that the middleware has verified.

::

    app.add_middleware(AuthenticationMiddleware, backend=BearerBackend())
    app.add_middleware(BearerMiddleware, issuer=…, audience=…, keys=…)   # added last: it comes first
"""

from .frameworks import needed

with needed("starlette", (0, 27), by=__name__):
    from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser
    from starlette.requests import HTTPConnection

from .asgi import claims_of
from .verification.claims import Claims

__all__ = ["BearerBackend", "BearerUser"]


class BearerUser(BaseUser):
    """The caller; all claims are in ``claims``."""

    def __init__(self, claims: Claims) -> None:
        self.claims = claims

    @property
    def is_authenticated(self) -> bool:
        """True: there is no such user without a good token."""
        return True

    @property
    def display_name(self) -> str:
        """The user name, or the ``sub`` if the issuer gives none."""
        return self.claims.username or self.claims.sub

    @property
    def identity(self) -> str:
        """The ``sub``."""
        return self.claims.sub


class BearerBackend(AuthenticationBackend):
    """Passes the verdict of :class:`BearerMiddleware` to Starlette, for its own ``@requires("write")``."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        """Return scopes and user; None without a token, on a public path."""
        claims = claims_of(conn.scope)
        return None if claims is None else (AuthCredentials(sorted(claims.scopes)), BearerUser(claims))
