import hashlib
import io
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from dualtoken.resource_service.web.home import ECHO_LIMIT
from tests.resource_service.issuer import AUDIENCE, SID, Key
from tests.resource_service.services import bearer

REALM = f'Bearer realm="{AUDIENCE}"'
METADATA = f'resource_metadata="{AUDIENCE}/.well-known/oauth-protected-resource"'


async def test_the_index_is_public(service: aiohttp.ClientSession) -> None:
    """Anybody may ask what this is, even with a bad token."""
    async with service.get("/", headers=bearer("nonsense")) as answer:
        assert (200, "success") == (answer.status, (await answer.json())["status"])


async def test_home_says_who_calls(service: aiohttp.ClientSession, key: Key, times: dict[str, int]) -> None:
    """The claims of the token come back, and are not to be stored on the way."""
    async with service.get("/home", headers=bearer(key.token(**times))) as answer:
        body = await answer.json()

        assert {
            "username": "zs",
            "email": "zs@example.com",
            "sub": "user-1",
            "sid": SID,
            "scope": "read write",
        } | times == (body["data"])
        assert ("success", "no-store") == (body["status"], answer.headers["Cache-Control"])


async def test_echo_hashes_a_body_of_any_kind(service: aiohttp.ClientSession, key: Key, times: dict[str, int]) -> None:
    """Size and SHA-256 of what was sent, whatever its type says."""
    body = bytes(range(256)) * 1000
    headers = bearer(key.token(**times)) | {"Content-Type": "text/nonsense; charset=?", "Content-Encoding": "gzip"}
    async with service.post("/echo", data=body, headers=headers) as answer:
        assert {"bytes": 256_000, "sha256": hashlib.sha256(body).hexdigest()} == await answer.json()


async def test_echo_needs_the_scope_write(service: aiohttp.ClientSession, key: Key, times: dict[str, int]) -> None:
    """A token without it is answered in the form of RFC 6750 §3.1."""
    async with service.post("/echo", data=b"x", headers=bearer(key.token(scope="read", **times))) as answer:
        assert (
            403,
            f'{REALM}, error="insufficient_scope", scope="write", {METADATA}',
            {"error": "insufficient_scope", "error_description": "needs the scope write"},
        ) == (answer.status, answer.headers["WWW-Authenticate"], await answer.json())


async def test_the_largest_body_is_taken(service: aiohttp.ClientSession, key: Key, times: dict[str, int]) -> None:
    """Eight MiB are not too much."""
    async with service.post("/echo", data=io.BytesIO(b"x" * ECHO_LIMIT), headers=bearer(key.token(**times))) as answer:
        assert ECHO_LIMIT == (await answer.json())["bytes"]


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "chunked"])
async def test_a_body_too_large_is_refused(
    chunked: bool, service: aiohttp.ClientSession, key: Key, times: dict[str, int]
) -> None:
    """One byte more than eight MiB is 413, announced or not."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield b"x" * (ECHO_LIMIT // 8)
        yield b"x"

    body = chunks() if chunked else io.BytesIO(b"x" * (ECHO_LIMIT + 1))
    async with service.post("/echo", data=body, headers=bearer(key.token(**times))) as answer:
        assert (413, "payload_too_large") == (answer.status, json.loads(await answer.read())["error"])
