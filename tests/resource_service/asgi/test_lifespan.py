"""The guard of an ASGI application begins before it and ends after it."""

from typing import Any

import aiohttp
import pytest
from starlette.responses import JSONResponse

from dualtoken.resource_service.asgi import BearerMiddleware
from tests.resource_service.asgi.applications import GUARDED, KEY, of_starlette, served
from tests.resource_service.services import bearer


async def test_keys_that_cannot_be_used_keep_the_server_from_starting(tmp_path: Any) -> None:
    """As they keep an aiohttp application from it."""
    guarded = BearerMiddleware(of_starlette(), **{**GUARDED, "keys": str(tmp_path / "absent.json")})
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    await guarded({"type": "lifespan"}, receive, send)

    assert ["lifespan.startup.failed"] == [message["type"] for message in sent]
    assert "absent.json" in sent[0]["message"]


async def _without_lifespan(*_: Any) -> None:
    raise NotImplementedError


async def _returning(*_: Any) -> None:
    """Serve one type of scope alone, as the smallest applications do."""


async def _returning_at_once(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})


async def _live_once(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


@pytest.mark.parametrize("app", [_live_once, _without_lifespan, _returning, _returning_at_once])
async def test_the_server_hears_of_the_end_when_the_guard_has_ended(app: Any) -> None:
    """Hypercorn cancels what is still running then."""
    guarded = BearerMiddleware(app, **GUARDED)
    sent: list[tuple[str, bool]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.shutdown" if sent else "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append((message["type"], guarded.authenticator.is_running))

    await guarded({"type": "lifespan"}, receive, send)

    assert [("lifespan.startup.complete", True), ("lifespan.shutdown.complete", False)] == sent


async def _live_briefly(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        raise OSError("a task of the application has failed")
    await JSONResponse({})(scope, receive, send)


async def test_a_lifespan_that_breaks_off_leaves_no_key_in_use() -> None:
    """Servers go on without it, and nobody would notice that a key was withdrawn."""
    guarded = BearerMiddleware(_live_briefly, **GUARDED)
    async with (
        served(guarded) as url,
        aiohttp.ClientSession() as http,
        http.get(url, headers=bearer(KEY.token())) as answer,
    ):
        assert 500 == answer.status


async def test_without_a_lifespan_it_says_so() -> None:
    """A verdict would stand on keys that nobody loaded: the error names the cure, and nobody gets in."""
    async with served(of_starlette(), lifespan="off") as url, aiohttp.ClientSession() as http:
        good = await http.get(url / "home", headers=bearer(KEY.token()))
        bad = await http.get(url / "home")

    assert (500, 500) == (good.status, bad.status)
