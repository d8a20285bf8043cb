"""One process of several that share a token file: ``python -m tests.client.one_of_many AUTH API FILE REQUESTS``.

Prints a line when it is ready, with the stored token in hand; begins when it reads one; prints one JSON object when it
is done.
"""

import asyncio
import json
import sys

import aiohttp

from dualtoken.client import BearerAuth, FileStorage, TokenSource


async def main(auth_url: str, api_url: str, token_file: str, requests: int) -> None:
    """Call the resource service *requests* times, a few at once."""
    source = TokenSource(auth_url, storage=FileStorage(token_file))
    statuses: list[int] = []

    async def call() -> None:
        for _ in range(requests):
            async with http.get(f"{api_url}/things") as response:
                statuses.append(response.status)

    await source.token()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    async with source, aiohttp.ClientSession(middlewares=[BearerAuth(source, origins=[api_url])]) as http:
        await asyncio.gather(*(call() for _ in range(4)))
    done = {"answered": len(statuses), "refreshes": source.stats.refreshes, "adopted": source.stats.adopted}
    sys.stdout.write(json.dumps(done) + "\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
