"""A small pair in one process, for clients: ``GET /things`` wants a bearer token, ``POST /token`` rotates.

Strict as RFC 9700 §4.14.2 has it: a refresh token counts once; when it comes again the session ends. ``POST /reset``
opens a session whose access token is not good any more; ``POST /stop`` tells how many refresh calls there were.
"""

import asyncio
import secrets

import uvloop
from aiohttp import web

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="fake", error="invalid_token", error_description="expired"'}


class Pair:
    """One session."""

    def __init__(self) -> None:
        self.access: str | None = None
        self.refresh: str | None = None
        self.refresh_calls = 0

    async def reset(self, _request: web.Request) -> web.Response:
        """Open a session whose access token has run out."""
        self.access, self.refresh, self.refresh_calls = None, secrets.token_urlsafe(24), 0
        return web.json_response({"access_token": secrets.token_urlsafe(24), "refresh_token": self.refresh})

    async def stop(self, _request: web.Request) -> web.Response:
        """Tell what was counted."""
        return web.json_response({"refresh_calls": self.refresh_calls})

    async def token(self, request: web.Request) -> web.Response:
        """Rotate, once for each token."""
        self.refresh_calls += 1
        body = await (request.json() if request.content_type == "application/json" else request.post())
        if self.refresh is None or body.get("refresh_token") != self.refresh:
            self.access = self.refresh = None
            return web.json_response({"error": "invalid_grant", "reason": "reused"}, status=400)
        self.access, self.refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        return web.json_response(
            {
                "token_type": "Bearer", "access_token": self.access, "expires_in": 3600,
                "refresh_token": self.refresh, "refresh_expires_in": 604800, "scope": "read",
            },
            headers={"Cache-Control": "no-store"},
        )  # fmt: skip

    async def things(self, request: web.Request) -> web.Response:
        """Answer who has the current access token."""
        if self.access is None or request.headers.get("Authorization") != f"Bearer {self.access}":
            return web.json_response({"error": "invalid_token"}, status=401, headers=CHALLENGE)
        return web.json_response({"things": []})


async def serve() -> None:
    """Serve on a port of the system until the process ends."""
    pair = Pair()
    app = web.Application()
    app.add_routes(
        [
            web.post("/reset", pair.reset), web.post("/stop", pair.stop), web.get("/things", pair.things),
            web.post("/token", pair.token), web.post("/refresh", pair.token),
        ]
    )  # fmt: skip
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
    await site.start()
    print(f"fake_services listening on http://127.0.0.1:{site.port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
