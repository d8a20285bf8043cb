"""``POST /logout``: end a session (RFC 7009)."""

from typing import Self

from aiohttp import web
from pydantic import BaseModel, model_validator

from auth_service.web.bodies import read_optional_body
from auth_service.web.keys import SESSIONS
from auth_service.web.refresh_cookie import forget_cookie, token_in_cookie


class Logout(BaseModel):
    """The body; ``token`` is RFC 7009's name. Without one, the cookie is asked."""

    token: str | None = None
    refresh_token: str | None = None
    everywhere: bool = False

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if self.token is not None and self.refresh_token is not None:
            raise ValueError("give token or refresh_token, not both")
        return self


async def logout(request: web.Request) -> web.Response:
    """Revoke before answering; 200 whatever the token was (RFC 7009 §2.2)."""
    body = await read_optional_body(request, Logout)
    in_body = body.token if body.token is not None else body.refresh_token
    token = in_body if in_body is not None else token_in_cookie(request)
    await request.app[SESSIONS].log_out(token, everywhere=body.everywhere)
    response = web.json_response({}, headers={"Cache-Control": "no-store"})
    if in_body is None:
        forget_cookie(response)
    return response
