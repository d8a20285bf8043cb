"""``GET /sessions``, ``DELETE /sessions/{id}``, ``POST /password``: the caller's own account."""

from typing import Any

from aiohttp import web

from ..domain.models import Session, is_session_id
from ..domain.names import NewPassword, Password
from .addresses import client_address
from .app_keys import ACCOUNTS, LISTING_LIMIT, SETTINGS
from .bodies import Body, read_body
from .credentials import user_session

_NO_STORE = {"Cache-Control": "no-store"}
routes = web.RouteTableDef()


@routes.get("/sessions")
async def list_sessions(request: web.Request) -> web.Response:
    """Answer the caller's live sessions."""
    request.app[LISTING_LIMIT].count(client_address(request))
    own = await user_session(request)
    idle_ttl_s = request.app[SETTINGS].refresh_ttl_s
    sessions = await request.app[ACCOUNTS].sessions(own)
    return web.json_response(
        {"sessions": [_shown(session, own, idle_ttl_s) for session in sessions]}, headers=_NO_STORE
    )


def _shown(session: Session, own: Session, idle_ttl_s: int) -> dict[str, Any]:
    return {
        "id": session.id,
        "created_at": session.created_at // 1000,
        "last_seen_at": session.rotated_at // 1000,
        "expires_at": min(session.expires_at // 1000, session.rotated_at // 1000 + idle_ttl_s),
        "user_agent": session.client.user_agent,
        "ip": session.client.ip,
        "current": session.id == own.id,
    }


@routes.delete("/sessions/{id}")
async def end_session(request: web.Request) -> web.Response:
    """End one of the caller's sessions; 404 for any other."""
    request.app[LISTING_LIMIT].count(client_address(request))
    own, session_id = await user_session(request), request.match_info["id"]
    if not is_session_id(session_id) or not await request.app[ACCOUNTS].end_session(own, session_id):
        raise web.HTTPNotFound
    return web.Response(status=204)


class PasswordChange(Body):
    """The body."""

    current_password: Password
    new_password: NewPassword


@routes.post("/password")
async def change_password(request: web.Request) -> web.Response:
    """Set a new password; every other session ends with the old one."""
    address = client_address(request)
    own = await user_session(request, hashes_from=address)
    body = await read_body(request, PasswordChange)
    current, new = body.current_password, body.new_password
    await request.app[ACCOUNTS].change_password(own, current, new, address=address)
    return web.Response(status=204)
