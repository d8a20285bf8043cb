"""What a token opened ends when the token would be refused."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from dualtoken.resource_service import CLAIMS, Bearer, FeedPolicy, optional
from dualtoken.resource_service.verification.jwk_set import parse_jwk_set
from tests.deadline import HANGS_S
from tests.resource_service.clock import Clock
from tests.resource_service.issuer import AUDIENCE, ISSUER, NOW, SID, TTL_S, Key
from tests.resource_service.jwk_sets import jwk_set
from tests.resource_service.keys.test_refresher import Source
from tests.resource_service.services import bearer, serving

KEY = Key()
OPEN = parse_jwk_set(jwk_set(KEY.jwk))


class Room:
    """An application with one WebSocket and one stream of events, and what became of the latter."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock(NOW + 10)
        self.bearer = Bearer(issuer=ISSUER, audience=AUDIENCE, keys=OPEN, clock=self.clock, **options)
        self.ended: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.app = web.Application()
        self.app.add_routes([web.get("/socket", self._socket), web.get("/events", self._events)])
        self.bearer.mount(self.app)

    @optional
    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(request[CLAIMS].sub if CLAIMS in request else "nobody")
        async with self.bearer.lifetime(request) as lifetime:
            async for message in socket:
                await socket.send_str(message.data)
        await socket.close(code=3000, message=(lifetime.ended or "").encode())
        return socket

    async def _events(self, request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        await stream.write(b"data: first\n\n")
        async with self.bearer.lifetime(request) as lifetime:
            await asyncio.Event().wait()
        self.ended.set_result(lifetime.ended)
        return stream

    def revoke(self, sid: str) -> None:
        """Hear that a session was revoked, as the follower of a feed does."""
        self.bearer.authenticator.revoked.add(sid, 0)


async def _end_of(socket: aiohttp.ClientWebSocketResponse) -> tuple[WSMsgType, int | None, str | None]:
    end = await asyncio.wait_for(socket.receive(), HANGS_S)
    return end.type, socket.close_code, end.extra


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer  "])
async def test_a_socket_ends_when_its_session_is_revoked(scheme: str) -> None:
    """Others stay open: those of other sessions, and those without a token."""
    room = Room()
    async with serving(room.app) as url, aiohttp.ClientSession(url) as http:
        mine = await http.ws_connect("/socket", headers={"Authorization": scheme + KEY.token()})
        other = await http.ws_connect("/socket", headers=bearer(KEY.token(sid="another")))
        anonymous = await http.ws_connect("/socket")
        greeted = [await socket.receive_str() for socket in (mine, other, anonymous)]
        room.revoke(SID)

        assert (WSMsgType.CLOSE, 3000, "revoked") == await _end_of(mine)
        for socket in (other, anonymous):
            await socket.send_str("still here")

            assert "still here" == await socket.receive_str()
            await socket.close()
    assert ["user-1", "user-1", "nobody"] == greeted


async def test_a_socket_ends_when_its_token_expires() -> None:
    """Past the leeway, as a request's token would."""
    room = Room()
    async with serving(room.app) as url, aiohttp.ClientSession(url) as http:
        room.clock.now = NOW + TTL_S + 4.9
        socket = await http.ws_connect("/socket", headers=bearer(KEY.token()))
        await socket.receive_str()
        room.clock.now = NOW + TTL_S + 5

        assert (WSMsgType.CLOSE, 3000, "expired") == await _end_of(socket)


async def test_a_socket_ends_when_its_key_is_retired() -> None:
    """As remembered tokens of that key do."""
    room = Room()
    async with serving(room.app) as url, aiohttp.ClientSession(url) as http:
        socket = await http.ws_connect("/socket", headers=bearer(KEY.token()))
        await socket.receive_str()
        keys = room.bearer.authenticator.keys
        keys.source = Source(parse_jwk_set(jwk_set(Key("k2").jwk)))
        await keys.newer()

        assert (WSMsgType.CLOSE, 3000, "invalid") == await _end_of(socket)


async def test_a_stream_ends_while_it_is_unknown_who_is_revoked() -> None:
    """A service that a silent feed closes to requests does not go on for those who came before."""
    room = Room()
    async with (
        serving(room.app) as url,
        aiohttp.ClientSession(url) as http,
        http.get("/events", headers=bearer(KEY.token())) as answer,
    ):
        first = await answer.content.readline()
        room.bearer.authenticator.revoked.known_until = 0
        room.revoke(SID)
        rest = await asyncio.wait_for(answer.content.read(), HANGS_S)

    assert (b"data: first\n", b"\n", "unavailable") == (first, rest, await room.ended)


async def test_nothing_is_kept_of_what_was_closed() -> None:
    """Sockets come and go for ever."""
    room = Room()
    async with serving(room.app) as url, aiohttp.ClientSession(url) as http:
        for sid in ("a", "b"):
            socket = await http.ws_connect("/socket", headers=bearer(KEY.token(sid=sid)))
            await socket.receive_str()
            await socket.close()
        async with http.get("/events", headers=bearer(KEY.token(sid="c"))) as answer:
            await answer.content.readline()
            room.revoke("c")
            await asyncio.wait_for(answer.read(), HANGS_S)

    assert {} == room.bearer.authenticator.lifetimes._open


async def test_an_error_of_the_body_is_its_own() -> None:
    """A timeout of the application is not taken for the end of a token, nor swallowed."""
    room = Room()
    async with serving(room.app):
        claims = room.bearer.authenticator.authenticate(f"Bearer {KEY.token()}")
        with pytest.raises(TimeoutError, match="its own"):
            async with room.bearer.open_while_good([f"Bearer {KEY.token()}"], claims):
                raise TimeoutError("its own")


async def test_revocations_of_a_feed_reach_an_open_socket() -> None:
    """From the feed to the socket, without a request in between."""
    opened = asyncio.Event()

    async def revocations(request: web.Request) -> web.Response:
        if "after" in request.query:
            await opened.wait()
            return web.json_response({"cursor": "2", "revoked": [{"sid": SID, "revoked_at": NOW, "reason": "logout"}]})
        return web.json_response({"cursor": "1", "revoked": []})

    feed = web.Application()
    feed.router.add_get("/revocations", revocations)
    async with serving(feed) as feed_url:
        room = Room(
            revocations_url=f"{feed_url}/revocations", service_secret="hush", feed_policy=FeedPolicy(stale="open")
        )
        async with serving(room.app) as url, aiohttp.ClientSession(url) as http:
            socket = await http.ws_connect("/socket", headers=bearer(KEY.token()))
            await socket.receive_str()
            opened.set()

            assert (WSMsgType.CLOSE, 3000, "revoked") == await _end_of(socket)
