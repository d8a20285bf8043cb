"""``POST /logout``: end a session (RFC 7009)."""

from typing import Self

from aiohttp import web
from pydantic import model_validator

from auth_service.web.bodies import Body, read_optional_body
from auth_service.web.keys import SESSIONS
from auth_service.web.refresh_cookie import forget_cookie, token_in_cookie


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


async def logout(request: web.Request) -> web.Response:
    """Revoke before answering; 200 whatever the token was (RFC 7009 §2.2)."""
    body = await read_optional_body(request, Logout)
    in_cookie = body.model_fields_set.isdisjoint({"token", "refresh_token"})
    token = token_in_cookie(request) if in_cookie else body.token or body.refresh_token
    await request.app[SESSIONS].log_out(token, everywhere=body.everywhere)
    response = web.json_response({}, headers={"Cache-Control": "no-store"})
    if in_cookie:
        forget_cookie(response)
    return response
