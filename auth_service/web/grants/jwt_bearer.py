"""``urn:ietf:params:oauth:grant-type:jwt-bearer``: an assertion of a trusted issuer for a session (RFC 7523 §2.1)."""

from typing import Annotated, Final

from aiohttp import web
from pydantic import Field

from ...domain.scopes import Scope
from ...settings import Settings
from ...use_cases.session_terms import Beginning
from ..app_keys import ASSERTIONS
from ..bodies import Body, validated
from ..devices import device_of
from ..proofs import key_to_bind
from ..refresh_cookie import WantsCookie, opened_response, require_own_page

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class JwtBearer(Body):
    """The body; ``cookie`` is as for a log-in."""

    assertion: Annotated[str, Field(min_length=1)]
    scope: Scope | None = None
    cookie: WantsCookie = False


def is_served(settings: Settings) -> bool:
    """Whether there is an issuer whose assertions could be good."""
    return settings.trusted_issuers is not None


async def grant(request: web.Request, body: bytes) -> web.Response:
    """Open a session.

    Args:
        request: what it came with.
        body: as it came.

    Raises:
        AuthError: each way in which an assertion is refused.
    """
    wanted = validated(request, body, JwtBearer)
    require_own_page(request, wanted.cookie)
    beginning = Beginning(device_of(request), scope=wanted.scope or None, jkt=key_to_bind(request))
    granted = await request.app[ASSERTIONS].open(wanted.assertion, beginning)
    return opened_response(granted, request, wanted.cookie)
