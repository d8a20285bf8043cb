"""``POST /logout``: end a session (RFC 7009)."""

from typing import Self

from aiohttp import web
from pydantic import BaseModel, model_validator

from auth_service.web.bodies import read_body
from auth_service.web.keys import SESSIONS


class Logout(BaseModel):
    """The body; ``token`` is RFC 7009's name."""

    token: str | None = None
    refresh_token: str | None = None
    everywhere: bool = False

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if (self.token is None) == (self.refresh_token is None):
            raise ValueError("give token or refresh_token, not both")
        return self


async def logout(request: web.Request) -> web.Response:
    """Revoke before answering; 200 whatever the token was (RFC 7009 §2.2)."""
    body = await read_body(request, Logout)
    await request.app[SESSIONS].log_out(body.token or body.refresh_token or "", everywhere=body.everywhere)
    return web.json_response({}, headers={"Cache-Control": "no-store"})
