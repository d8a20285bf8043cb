"""Run the pair alone, for a client in another language: ``python -m tests.conformance``.

Prints one JSON object with the addresses; the control API stands under ``/control`` of the auth service. Ends with its
standard input.
"""

import asyncio
import json
import sys

from tests.conformance.pair import running_pair


async def main() -> None:
    """Serve until standard input ends."""
    async with running_pair() as pair:
        urls = {"auth_url": pair.auth_url, "api_url": pair.api_url, "foreign_url": pair.foreign_url}
        sys.stdout.write(json.dumps(urls) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


asyncio.run(main())
