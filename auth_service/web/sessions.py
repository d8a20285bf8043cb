"""``GET /sessions``, ``DELETE /sessions/{id}``, ``POST /password``: the caller's own account."""

from typing import Any

from aiohttp import web

from auth_service.models import Session, is_session_id
from auth_service.web.bodies import Body, read_body
from auth_service.web.credentials import user_session
from auth_service.web.keys import ACCOUNTS, SETTINGS
from auth_service.web.login import NewPassword, Password

_NO_STORE = {"Cache-Control": "no-store"}


async def list_sessions(request: web.Request) -> web.Response:
    """Answer the caller's live sessions."""
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


async def end_session(request: web.Request) -> web.Response:
    """End one of the caller's sessions; 404 for any other."""
    own, session_id = await user_session(request), request.match_info["id"]
    if not is_session_id(session_id) or not await request.app[ACCOUNTS].end_session(own, session_id):
        raise web.HTTPNotFound
    return web.Response(status=204)


class PasswordChange(Body):
    """The body."""

    current_password: Password
    new_password: NewPassword


async def change_password(request: web.Request) -> web.Response:
    """Set a new password; every other session ends with the old one."""
    own = await user_session(request)
    body = await read_body(request, PasswordChange)
    await request.app[ACCOUNTS].change_password(own, body.current_password, body.new_password)
    return web.Response(status=204)
