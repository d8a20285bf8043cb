"""dualtoken's client at an expiry: the service refuses the stored access token, and many requests meet it at once."""

import asyncio
import json
import sys
import time
from typing import Any

import aiohttp

from dualtoken.client import BearerAuth, ClientError, MemoryStorage, StoredSession, Tokens, TokenSource


async def main(task: dict[str, Any]) -> None:
    """Fire all requests; print what failed and how long it took."""
    storage = MemoryStorage()
    # As the other clients have it: the client takes the token for good, only the service knows better; Authlib, which
    # goes by the clock alone, is told that it has run out.
    tokens = Tokens(task["access_token"], task["refresh_token"], time.time(), 3600)
    source = TokenSource(task["base"], storage=storage)
    await storage.save(f"{task['base']}/", StoredSession(tokens))

    async with source, aiohttp.ClientSession(middlewares=[BearerAuth(source, origins=[task["base"]])]) as http:

        async def get() -> bool:
            try:
                async with http.get(f"{task['base']}/things") as response:
                    await response.read()
                    return response.status == 200
            except (ClientError, aiohttp.ClientError):
                return False

        began = time.perf_counter()
        answers = await asyncio.gather(*(get() for _ in range(task["requests"])))
        print(json.dumps({"failed": answers.count(False), "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
