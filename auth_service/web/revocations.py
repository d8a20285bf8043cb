"""``GET /revocations?after=CURSOR&wait=SECONDS``: the feed that verifiers follow."""

from aiohttp import web

from auth_service.errors import InvalidRequest
from auth_service.web.credentials import require_service
from auth_service.web.keys import REVOCATIONS, SETTINGS

MAX_WAIT_S = 30.0


async def revocations(request: web.Request) -> web.Response:
    """Answer what was revoked since the cursor, or wait for it."""
    require_service(request)
    page = await request.app[REVOCATIONS].after(
        request.query.get("after"), _wait_s(request), is_gone=lambda: request.transport is None
    )
    revoked = [
        {"sid": entry.session_id, "revoked_at": entry.revoked_at // 1000, "reason": entry.reason}
        for entry in page.revoked
    ]
    # How long a verifier must remember an entry.
    body = {"cursor": page.cursor, "revoked": revoked, "access_ttl_s": request.app[SETTINGS].access_ttl_s}
    return web.json_response(body, headers={"Cache-Control": "no-store"})


def _wait_s(request: web.Request) -> float:
    text = request.query.get("wait", "0")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_WAIT_S:
        raise InvalidRequest(f"wait must be 0 to {MAX_WAIT_S:.0f} seconds.")
    return seconds
