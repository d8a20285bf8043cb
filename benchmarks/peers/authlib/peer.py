"""Authlib's AsyncOAuth2Client (httpx) at an expiry: it refreshes when its clock says so, and never on a 401.

So it is told that the token has run out. Defaults, but for the pool's timeout: a thousand requests wait for a hundred
connections longer than its five seconds on a slow machine, which says nothing about refreshing.
"""

import asyncio
import json
import sys
import time
from typing import Any

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client


async def main(task: dict[str, Any]) -> None:
    """Fire all requests; print what failed and how long it took."""
    token = {
        "token_type": "Bearer",
        "access_token": task["access_token"],
        "refresh_token": task["refresh_token"],
        "expires_at": int(time.time()) - 1,
    }
    async with AsyncOAuth2Client(
        "bench",
        token_endpoint=f"{task['base']}/token",
        token=token,
        token_endpoint_auth_method="none",  # noqa: S106 - no secret at all
        timeout=httpx.Timeout(30.0),
    ) as http:

        async def get() -> bool:
            try:
                return (await http.get(f"{task['base']}/things")).status_code == 200
            except (AuthlibBaseError, httpx.HTTPError):
                return False

        began = time.perf_counter()
        answers = await asyncio.gather(*(get() for _ in range(task["requests"])))
        print(json.dumps({"failed": answers.count(False), "seconds": time.perf_counter() - began}))


asyncio.run(main(json.loads(sys.argv[1])))
