"""WebSockets are refused at the handshake, as requests are."""

from typing import Any

import aiohttp
import litestar
import pytest

from dualtoken.resource_service.asgi import BearerMiddleware, require
from tests.resource_service.asgi.applications import GUARDED, KEY, of_starlette, served
from tests.resource_service.services import bearer


async def test_a_websocket_with_a_good_token_is_opened() -> None:
    """Its handler finds who calls."""
    async with (
        served(of_starlette()) as url,
        aiohttp.ClientSession() as http,
        http.ws_connect(url / "socket", headers=bearer(KEY.token())) as socket,
    ):
        assert "user-1" == (await socket.receive_str())


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("x", 401), (KEY.token(scope="read"), 403)])
async def test_a_websocket_without_one_is_refused_at_the_handshake(token: str | None, status: int) -> None:
    """With the answer of a request, challenge included."""
    async with served(of_starlette()) as url, aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(url / "socket", headers=bearer(token) if token else {})

    assert status == refused.value.status
    assert refused.value.headers is not None
    assert refused.value.headers["WWW-Authenticate"].startswith("Bearer realm=")


@litestar.websocket("/socket")
async def _litestar_socket(socket: litestar.WebSocket[Any, Any, Any]) -> None:
    require(socket.scope, "write")
    await socket.accept()


@pytest.mark.parametrize(("token", "status"), [(None, 401), (KEY.token(scope="read"), 403)])
async def test_litestar_refuses_a_websocket_as_the_guard_does(token: str | None, status: int) -> None:
    """It closes for each exception, which a server answers with a bare 403."""
    app = BearerMiddleware(litestar.Litestar([_litestar_socket], logging_config=None), public=["/socket"], **GUARDED)
    async with served(app) as url, aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(url / "socket", headers=bearer(token) if token else {})

    assert status == refused.value.status
    assert refused.value.headers is not None
    assert refused.value.headers["WWW-Authenticate"].startswith("Bearer realm=")


async def _after_the_opening(scope: Any, receive: Any, _send: Any) -> None:
    if scope["type"] != "lifespan":
        await receive()
        require(scope, "admin")


async def test_a_websocket_whose_opening_was_received_is_refused() -> None:
    """An application may look at the handshake first: the guard waits for no second one."""
    async with served(BearerMiddleware(_after_the_opening, **GUARDED)) as url, aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(url, headers=bearer(KEY.token()))

    assert 403 == refused.value.status
