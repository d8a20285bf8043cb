"""``POST /sessions``: a session for a user whom your own backend has authenticated."""

from ipaddress import ip_address
from typing import Annotated, Self

from aiohttp import hdrs, web
from pydantic import AfterValidator, Field, StringConstraints, model_validator
from yarl import URL

from dualtoken_serving.origins import browser_origin

from ..domain.assertion import MAX_METHODS, Method
from ..domain.models import Device
from ..domain.names import Sub
from ..domain.proof import is_thumbprint
from ..domain.scopes import Scope
from ..errors import InvalidDpopProof, InvalidRequest
from ..use_cases.session_codes import LIFE_S
from ..use_cases.session_terms import Beginning
from .addresses import client_address
from .app_keys import SESSION_CODES, SESSIONS, SETTINGS
from .backend import for_backend
from .bodies import Body, read_body
from .token_response import token_response, user_info

routes = web.RouteTableDef()
_MAX_USER_AGENT = 256


def _thumbprint(text: str) -> str:
    if not is_thumbprint(text):
        raise ValueError("must be a SHA-256 thumbprint in base64url (RFC 7638)")
    return text


def _address(text: str) -> str:
    try:
        return str(ip_address(text.partition("%")[0]))  # a zone (RFC 4007 §11) says something on its own machine alone
    except ValueError:
        raise ValueError("must be an IPv4 or IPv6 address") from None


NumericDate = Annotated[float, Field(ge=0, lt=2**53)]  # RFC 7519 §2: a fraction may follow
Thumbprint = Annotated[str, AfterValidator(_thumbprint)]
Address = Annotated[str, AfterValidator(_address)]
UserAgent = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$")]
Methods = Annotated[tuple[Method, ...], Field(max_length=MAX_METHODS, strict=False)]
Origin = Annotated[str, AfterValidator(browser_origin)]


class Opening(Body):
    """The body: who was authenticated, how and when, and by which device. Null is as left out."""

    sub: Sub
    scope: Scope | None = None
    user_agent: UserAgent | None = None
    ip: Address | None = None
    amr: Methods | None = None
    auth_time: NumericDate | None = None
    jkt: Thumbprint | None = None
    origin: Origin | None = None

    @model_validator(mode="after")
    def _the_page_proves_its_key(self) -> Self:
        if self.origin is not None and self.jkt is not None:
            raise ValueError("give origin or jkt: the page proves its key when it exchanges the code")
        return self


@routes.post("/sessions")
@for_backend
async def open_session(request: web.Request) -> web.Response:
    """Answer 201 with the tokens, to be handed on to the user's device; or with a code for a page."""
    body = await read_body(request, Opening)
    if body.origin is not None:
        return await _code(request, body, body.origin)
    policy = request.app[SETTINGS].dpop
    if body.jkt is None and policy == "required":
        raise InvalidDpopProof("sessions are bound to a key here: give its thumbprint as jkt")
    beginning = _beginning(body)
    granted = await request.app[SESSIONS].open_for(
        body.sub, beginning._replace(jkt=None) if policy == "off" else beginning
    )
    return token_response(granted, status=201, userInfo=user_info(granted))


async def _code(request: web.Request, body: Opening, origin: str) -> web.Response:
    settings = request.app[SETTINGS]
    if origin not in (*settings.cors_origins, str(URL(settings.issuer).origin())):
        raise InvalidRequest("origin: it is not one of AUTH_CORS_ORIGINS, so that no page could exchange the code.")
    code = await request.app[SESSION_CODES].issue(body.sub, _beginning(body), origin, client_address(request))
    answer = {"code": code, "expires_in": LIFE_S}
    return web.json_response(answer, status=201, headers={hdrs.CACHE_CONTROL: "no-store"})


def _beginning(body: Opening) -> Beginning:
    device = Device((body.user_agent or "")[:_MAX_USER_AGENT], body.ip or "")
    auth_time = None if body.auth_time is None else int(body.auth_time)
    return Beginning(device, body.amr or (), auth_time, body.scope, body.jkt)
