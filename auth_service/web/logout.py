"""``POST /logout``: end a session (RFC 7009)."""

from typing import Self

from aiohttp import web
from pydantic import model_validator

from .addresses import client_address
from .app_keys import REFRESH_LIMIT, SESSIONS
from .bodies import Body, read_optional_body
from .refresh_cookie import forget_cookies, token_in_cookie

routes = web.RouteTableDef()


class Logout(Body):
    """The body; ``token`` is RFC 7009's name. Without one, the cookie is asked."""

    token: str = ""
    refresh_token: str = ""
    everywhere: bool = False

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if {"token", "refresh_token"} <= self.model_fields_set:
            raise ValueError("give token or refresh_token, not both")
        return self


@routes.post("/logout")
async def logout(request: web.Request) -> web.Response:
    """Revoke before answering; 200 for any token (RFC 7009 §2.2)."""
    request.app[REFRESH_LIMIT].count(client_address(request))
    body = await read_optional_body(request, Logout)
    in_cookie = body.model_fields_set.isdisjoint({"token", "refresh_token"})
    cookie = token_in_cookie(request) if in_cookie else None
    token = cookie.token if cookie else body.token or body.refresh_token
    await request.app[SESSIONS].log_out(token, everywhere=body.everywhere)
    response = web.json_response({}, headers={"Cache-Control": "no-store"})
    forget_cookies(response, cookie.names if cookie else ())
    return response
