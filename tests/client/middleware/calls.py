"""What the middleware's tests ask."""

import hashlib

import aiohttp


async def fetch(http: aiohttp.ClientSession, url: str) -> int:
    """Return the status of one GET."""
    async with http.get(url) as response:
        await response.read()
        return response.status


def answer_to(body: bytes) -> dict[str, object]:
    """Return what /echo says about *body*."""
    return {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
