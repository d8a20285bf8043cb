"""``urn:dualtoken:session-code``: the code that the team's backend got for a page, for the session's cookie."""

from typing import Annotated, Final

from aiohttp import hdrs, web
from pydantic import Field

from ...settings import Settings
from ...tokens.session_code import MAX_CHARACTERS
from ..app_keys import SESSION_CODES
from ..bodies import Body, validated
from ..devices import device_of
from ..proofs import key_to_bind
from ..refresh_cookie import opened_response, require_own_page

GRANT_TYPE: Final = "urn:dualtoken:session-code"


class Exchange(Body):
    """The body."""

    code: Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS)]


def is_served(settings: Settings) -> bool:
    """Whether there is a backend to ask for codes."""
    return settings.backend_secret is not None


async def grant(request: web.Request, body: bytes) -> web.Response:
    """Open the session, in a cookie of its own.

    Args:
        request: of the page for which the code is: its ``Origin`` says so.
        body: as it came.

    Raises:
        AuthError: each way in which a code is refused.
    """
    wanted = validated(request, body, Exchange)
    require_own_page(request, wants_cookie=True)
    origin, jkt = ",".join(request.headers.getall(hdrs.ORIGIN, ())), key_to_bind(request)
    granted = await request.app[SESSION_CODES].exchange(wanted.code, origin, device_of(request), jkt)
    return opened_response(granted, request, "new")
