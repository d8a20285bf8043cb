"""One process of several that share a token file: ``python -m tests.client.one_of_many AUTH API FILE REQUESTS``.

Prints a line when it is ready, with the stored token in hand. For each line that it reads it sends so many requests,
and prints one JSON object with what it has counted so far.
"""

import asyncio
import json
import sys

import aiohttp

from dualtoken.client import BearerAuth, FileStorage, TokenSource
from tests.deadline import HANGS_S

AT_ONCE = 4


async def main(auth_url: str, api_url: str, token_file: str, requests: int) -> None:
    """Call the resource service, a few times at once, whenever a line asks for it."""
    source = TokenSource(auth_url, storage=FileStorage(token_file), refresh_timeout_s=HANGS_S)
    statuses: list[int] = []

    async def call() -> None:
        for _ in range(requests // AT_ONCE):
            async with http.get(f"{api_url}/things") as response:
                statuses.append(response.status)

    def tell(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    await source.token()
    async with source, aiohttp.ClientSession(middlewares=[BearerAuth(source, origins=[api_url])]) as http:
        tell("ready")
        while sys.stdin.readline():
            await asyncio.gather(*(call() for _ in range(AT_ONCE)))
            answered = statuses.count(200)
            tell(json.dumps({"answered": answered} | {n: getattr(source.stats, n) for n in ("refreshes", "adopted")}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
