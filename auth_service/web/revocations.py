"""``GET /revocations?after=CURSOR&wait=SECONDS``: the feed that verifiers follow."""

import asyncio
import json
from functools import partial

from aiohttp import web

from ..errors import InvalidRequest
from ..use_cases.revocation_feed import Page
from .app_keys import REVOCATIONS, SETTINGS
from .credentials import require_service

MAX_WAIT_S = 30.0
_FEW = 100  # entries; to encode more would hold up the event loop
routes = web.RouteTableDef()


@routes.get("/revocations")
async def revocations(request: web.Request) -> web.Response:
    """Answer what was revoked since the cursor, or wait for it."""
    require_service(request)
    page = await request.app[REVOCATIONS].after(
        request.query.get("after"), _wait_s(request), is_gone=lambda: request.transport is None
    )
    encode = partial(_encoded, page, request.app[SETTINGS].access_ttl_s)
    text = await asyncio.to_thread(encode) if len(page.revoked) > _FEW else encode()
    return web.Response(text=text, content_type="application/json", headers={"Cache-Control": "no-store"})


def _encoded(page: Page, access_ttl_s: int) -> str:
    revoked = [
        {"sid": entry.session_id, "revoked_at": entry.revoked_at // 1000, "reason": entry.reason}
        for entry in page.revoked
    ]
    # Beside them, how long a verifier must remember an entry.
    body = {"cursor": page.cursor, "revoked": revoked, "access_ttl_s": access_ttl_s}
    return json.dumps({**body, "more": True} if page.more else body)


def _wait_s(request: web.Request) -> float:
    text = request.query.get("wait", "0")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_WAIT_S:
        raise InvalidRequest(f"wait must be 0 to {MAX_WAIT_S:.0f} seconds.")
    return seconds
