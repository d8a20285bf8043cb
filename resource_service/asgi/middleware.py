"""The guard of an ASGI application (ASGI 3.0); needs no framework."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from ..errors import CredentialsMissing, InsufficientScope, KeySetRefused, ResourceError
from ..lifetimes import Lifetime
from ..verification.claims import Claims
from ..web.challenge import Refusal
from ..web.guard import Guard, only
from ..web.needs import Needed, checked, is_enough, verdict
from ..web.protected_resource import METADATA_HEADERS

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Exempt = str | Callable[[Mapping[str, Any]], bool]
"""What needs no token: a path, or a predicate on the scope."""

GUARD: Final = "dualtoken.guard"
"""The key of the guard in a scope."""
UNAUTHORIZED: Final = 3000
"""The close code of a WebSocket without good credentials (IANA's WebSocket Close Code Number Registry)."""
_HANDSHAKE: Final = "dualtoken.handshake"  # the key of that of a WebSocket in a scope
_HANDLERS: Final = "starlette.exception_handlers"  # of the innermost application, by class and by status
_RESPONSE: Final = "websocket.http.response"  # ASGI's extension: a refused handshake may have an answer


class Refused(Exception):
    """Carries the answer to a caller whose token does not suffice; the middleware sends it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"refused with {refusal.status}")
        self.refusal = refusal


class BearerMiddleware(Guard):
    """Guards an ASGI application with access tokens: HTTP requests and WebSocket handshakes.

    Keys and revocations are kept current during the application's lifespan, in each process of the server. If the
    server runs no lifespan, the first request that needs a verdict raises an error that says so.

    Args:
        app: the application to guard.
        public: paths, as the server or the routes see them, and predicates on a scope, that need no token.
        arguments: those of :class:`Guard`.

    Raises:
        ValueError: an argument is missing, superfluous or malformed; the text names it.
        TypeError: *public* is not a list of paths and predicates.

    Source: RFC 6750; ASGI 3.0.
    """

    cure = (
        "put it around the application that the server runs, by add_middleware() there, not on a route or around an "
        "application that another one mounts; and let the server run the lifespan (uvicorn: no --lifespan off)"
    )

    def __init__(self, app: Application, *, public: Iterable[Exempt] = (), **arguments: Any) -> None:
        super().__init__(**arguments)
        self._app = app
        exempt = _exemptions(public)
        self._paths = frozenset(each for each in exempt if isinstance(each, str))
        self._predicates = [each for each in exempt if not isinstance(each, str)]
        url = self.resource.metadata_url
        self._metadata_path = url.path if url else None

    # All that a good token needs is in one coroutine: another one around it costs a hundredth of a request.
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope.

        Raises:
            RuntimeError: another guard wraps this one, or nothing keeps the keys current.
        """
        kind = scope["type"]
        if kind not in ("http", "websocket"):
            await (self._live if kind == "lifespan" else self._app)(scope, receive, send)
            return
        if scope["path"] == self._metadata_path and scope.get("method") in ("GET", "HEAD"):
            await _answer(send, 200, METADATA_HEADERS, self.resource.metadata)
            return
        if GUARD in scope:
            raise RuntimeError("BearerMiddleware is mounted twice: one guard is enough for an application")
        values = _authorizations(scope)
        state = dict(scope.get("state") or ())
        guarded = {**scope, "state": state, GUARD: self}
        # A server lets nobody answer an HTTP request twice: to look at each message here would cost a hundredth of it.
        handshake = None
        if kind == "websocket":
            handshake = guarded[_HANDSHAKE] = _Handshake(scope, receive, send)
            receive, send = handshake.receive, handshake.send
        try:
            try:
                state["claims"] = self.authenticator.authenticate(values[0] if len(values) == 1 else only(values))
                self._counts["accepted"] += 1
            except ResourceError as error:
                await self._look_again(guarded, values, error)
            await self._app(guarded, receive, send)
        except Refused as refused:
            if handshake is None:
                await _refuse(send, refused.refusal)
            elif handshake.is_answered:
                raise
            else:
                await handshake.refuse(refused.refusal)

    async def _look_again(self, guarded: Scope, values: Sequence[str], error: ResourceError) -> None:
        """Accept a request that needs no token, or whose token is good after all.

        Raises:
            Refused: the verdict.
        """
        if self._is_exempt(guarded):
            return
        try:
            guarded["state"]["claims"] = await self.insist(values, error)
        except ResourceError as verdict:
            raise Refused(self.refuse(verdict)) from None

    def _is_exempt(self, scope: Scope) -> bool:
        # No preflight without being asked: nobody here knows whether its route would serve it as any other request.
        paths = (scope["path"], _route_path(scope))
        return not self._paths.isdisjoint(paths) or any(verdict(each, scope) for each in self._predicates)

    def lifetime(self, scope: Scope) -> AbstractAsyncContextManager[Lifetime]:
        """Hold a WebSocket or a stream open for as long as its token is good; see ``Bearer.lifetime``."""
        return self.open_while_good(_authorizations(scope), claims_of(scope))

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start before the application does, and stop after it."""
        messages = [await receive()]
        last: list[Message] = []  # that the server hears: some cancel what is still running then
        answered = over = False

        async def replayed() -> Message:
            nonlocal over
            message = messages.pop() if messages else await receive()
            over = over or message["type"] == "lifespan.shutdown"
            return message

        async def noted(message: Message) -> None:
            nonlocal answered, over
            answered = True
            over = over or message["type"] != "lifespan.startup.complete"
            if message["type"].startswith("lifespan.shutdown."):
                last.append(message)
            else:
                await send(message)

        try:
            async with self.authenticator.running():
                try:
                    await self._app(scope, replayed, noted)
                except Exception:
                    if answered:
                        raise
                # An application without a lifespan says so by any error, or returns: the guard lives on alone.
                if not answered:
                    await send({"type": "lifespan.startup.complete"})
                if not over:
                    await receive()
                    last.append({"type": "lifespan.shutdown.complete"})
        except KeySetRefused as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
        finally:
            for message in last:
                await send(message)


class _Handshake:
    """Records how far a WebSocket has come: once it has been answered, it can no longer be refused.

    Attributes:
        is_answered: whether something has been sent.
        verdict: what the application was told; a framework that closes for it (Litestar does) means this answer.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._is_received = False
        self.is_answered = False
        self.verdict: Refusal | None = None

    def receive(self) -> Awaitable[Message]:
        self._is_received = True
        return self._receive()

    def send(self, message: Message) -> Awaitable[None]:
        if self.verdict is not None and not self.is_answered and message["type"] == "websocket.close":
            return self.refuse(self.verdict)
        self.is_answered = True
        return self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        """Answer the handshake; the application may have received it before it refused."""
        self.is_answered = True
        if not self._is_received:
            await self._receive()  # websocket.connect
        if _RESPONSE in (self._scope.get("extensions") or {}):
            await _refuse(self._send, refusal, kind=_RESPONSE)
        else:
            await self._send({"type": "websocket.close", "code": UNAUTHORIZED, "reason": ""})


def claims_of(scope: Mapping[str, Any]) -> Claims | None:
    """Return the caller's claims; None on a public path without a good token."""
    claims: Claims | None = (scope.get("state") or {}).get("claims")
    return claims


def require(scope: Mapping[str, Any], needed: Needed | None = None) -> Claims:
    """Return the caller's claims, if they suffice.

    Args:
        scope: of the request or WebSocket.
        needed: a scope (RFC 6749 §3.3), or a predicate on the claims; None: any good token suffices.

    Raises:
        Refused: they do not. The middleware answers.
        RuntimeError: no BearerMiddleware wraps this application.
        ValueError: *needed* is a string but not one scope.
        TypeError: it is not a predicate, or is a coroutine function.
    """
    guard = scope.get(GUARD)
    if not isinstance(guard, BearerMiddleware):
        raise RuntimeError(  # noqa: TRY004 - nothing of a wrong type was given: something is missing
            "a route asks for a token, but no BearerMiddleware stands around its application"
        )
    if needed is not None:
        checked(needed)
    claims = claims_of(scope)
    if claims is None:
        raise _refused(scope, guard.refuse(CredentialsMissing()))
    if needed is not None and not is_enough(claims, needed):
        raise _refused(scope, guard.refuse(InsufficientScope(needed if isinstance(needed, str) else None)))
    return claims


def _refused(scope: Mapping[str, Any], refusal: Refusal) -> Refused:
    """Return the exception, and register its answer with frameworks, which would make one of their own."""
    handlers: dict[Any, Any] = scope.get(_HANDLERS, ({},))[0]
    handlers.setdefault(Refused, _as_starlette_does)
    if _HANDSHAKE in scope:
        scope[_HANDSHAKE].verdict = refusal
    return Refused(refusal)


async def _as_starlette_does(connection: Any, refused: Refused) -> Application:
    if connection.scope["type"] == "websocket":
        raise refused  # the middleware knows whether it has been accepted

    async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
        await _refuse(send, refused.refusal)

    return answer


def _exemptions(public: Iterable[Any]) -> list[Any]:
    if isinstance(public, str):  # of which each letter would be a path
        raise TypeError(f"public is a list of paths and predicates: public=[{public!r}]")
    exempt = list(public)
    for each in exempt:
        if isinstance(each, str):
            if not each.startswith("/"):
                raise ValueError(f"public: a path begins with a slash: {each!r}")
        elif not callable(each) or inspect.iscoroutinefunction(each):
            raise TypeError(f"public: neither a path nor a predicate: {each!r}")
    return exempt


def _route_path(scope: Mapping[str, Any]) -> str:
    """Return the path that routes see, without the ``root_path`` of a proxy or server."""
    path: str = scope["path"]
    root = scope.get("root_path") or ""
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


def _authorizations(scope: Mapping[str, Any]) -> list[str]:
    # In lower case, as ASGI has names and frameworks look for them.
    return [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]


async def _refuse(send: Send, refusal: Refusal, *, kind: str = "http.response") -> None:
    headers = {**refusal.headers, "Content-Type": "application/json; charset=utf-8"}
    await _answer(send, refusal.status, headers, refusal.body.encode(), kind=kind)


async def _answer(
    send: Send, status: int, headers: Mapping[str, str], body: bytes, *, kind: str = "http.response"
) -> None:
    sent = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    sent.append((b"content-length", str(len(body)).encode()))
    await send({"type": f"{kind}.start", "status": status, "headers": sent})
    await send({"type": f"{kind}.body", "body": body})
