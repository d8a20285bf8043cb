"""BearerAuth for httpx and httpx2: ``AsyncClient(auth=BearerAuth(tokens, origins=[…]))``, and ``Client`` likewise."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Collection, Generator
from contextlib import suppress
from http import HTTPStatus
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

from yarl import URL

from .errors import ConfigurationError, NotReplayable
from .http_libraries import needed
from .replays import Replays
from .wire.url_policy import Origin, origins

if TYPE_CHECKING:
    import httpx

    from .middleware import TokenProvider
    from .sync import TokenSource as SyncTokenSource

    _Auth = httpx.Auth
else:
    _installed = []
    for name, least in (("httpx", (0, 25)), ("httpx2", (2, 0))):
        if find_spec(name):
            with needed(name, least, by=__name__):
                _installed.append(import_module(name).Auth)
    if not _installed:
        raise ImportError(f"{__name__} needs httpx 0.25 or newer: pip install httpx, or httpx2")
    # Each library looks for its own class, and asks for nothing else that differs.
    _Auth = type("Auth", tuple(_installed), {})

_CHALLENGE = "WWW-Authenticate"
_SIGNATURE = "dualtoken.authorization"
"""The extension of a request that holds what it was signed with: if it is sent again, it is signed anew."""


class BearerAuth(_Auth):
    """Signs requests to *origins*, and repeats them if the token is refused.

    Leaves a caller's own ``Authorization`` alone. httpx takes the header off where a redirect leaves the origin; that
    answer is the caller's.

    Args:
        tokens: a :class:`dualtoken.client.TokenSource` for ``AsyncClient``, a
            :class:`dualtoken.client.sync.TokenSource` for ``Client``.
        origins: who may see a token, as ``scheme://host[:port]``.
        allow_insecure: permit plain http to a host that is not this machine.

    Raises:
        ConfigurationError: no origin, or one that is none or would expose tokens.
    """

    def __init__(
        self,
        tokens: "TokenProvider | SyncTokenSource",
        *,
        origins: Collection[str | URL],
        allow_insecure: bool = False,
    ) -> None:
        self._tokens = tokens
        self._is_async = inspect.iscoroutinefunction(tokens.token)
        self._origins = _origins(origins, allow_insecure=allow_insecure)
        self._replays = Replays(tokens)

    async def async_auth_flow(self, request: "httpx.Request") -> "AsyncGenerator[httpx.Request, httpx.Response]":
        """Sign *request*, and sign it anew while that may help.

        Raises:
            LoginRequired, RefreshUnavailable, RefreshRejected: there is no token to be had.
            NotReplayable: a 401 met a body that cannot be sent twice, or a response hook took the 401's own as a
                stream; the token has been renewed.
            ConfigurationError: the token source is one for threads; or no asyncio runs here, but trio.
        """
        if not self._is_async:
            raise ConfigurationError("AsyncClient needs dualtoken.client.TokenSource, which does not block")
        _require_asyncio()
        tokens = cast("TokenProvider", self._tokens)
        if not self._signs(request):
            yield request
            return
        replays, last, token = 0, "", await tokens.token()
        while True:
            response = yield _signed(request, token)
            if not self._is_repeated(response, token, last, replays):
                return
            # Read to its end, so that the connection is free, for the repetition or, where no token comes, for others.
            with suppress(RuntimeError):  # a hook has read it as a stream: told below
                await response.aread()
            last, token = token, await tokens.token(rejected=token)
            _require_replayable(request, response)
            replays += 1

    def sync_auth_flow(self, request: "httpx.Request") -> "Generator[httpx.Request, httpx.Response, None]":
        """Do the same in a thread. Raises: the same, where the token source is one for coroutines."""
        if self._is_async:
            raise ConfigurationError("Client needs dualtoken.client.sync.TokenSource, which threads can share")
        tokens = cast("SyncTokenSource", self._tokens)
        if not self._signs(request):
            yield request
            return
        replays, last, token = 0, "", tokens.token()
        while True:
            response = yield _signed(request, token)
            if not self._is_repeated(response, token, last, replays):
                return
            with suppress(RuntimeError):
                response.read()
            last, token = token, tokens.token(rejected=token)
            _require_replayable(request, response)
            replays += 1

    def _signs(self, request: "httpx.Request") -> bool:
        if _origin(request.url) not in self._origins:
            return False
        return request.headers.get("Authorization") in (None, request.extensions.get(_SIGNATURE))

    def _is_repeated(self, response: "httpx.Response", token: str, last: str, replays: int) -> bool:
        is_refused = response.status_code == HTTPStatus.UNAUTHORIZED
        if not is_refused and not self._replays.refusing:
            return False
        asked = response.request
        # A redirect has led elsewhere, and httpx has taken the token off: nobody has refused it.
        if asked.headers.get("Authorization") != f"Bearer {token}":
            return False
        service, path = _origin(asked.url), asked.url.path
        if not is_refused:
            self._replays.accepted(service, path, replays)
            return False
        challenges = response.headers.get_list(_CHALLENGE)
        return self._replays.may_mend(challenges, service, path, token=token, last=last, replays=replays)


def _require_asyncio() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        cure = "under trio, call Client with dualtoken.client.sync.TokenSource in trio.to_thread.run_sync()"
        raise ConfigurationError(f"AsyncClient needs asyncio for dualtoken.client.TokenSource: {cure}") from None


_origins = origins  # the parameter of the same name hides it


def _origin(url: "httpx.URL") -> Origin:
    port = url.port if url.port is not None else {"https": 443, "http": 80}.get(url.scheme)
    return (url.scheme, url.raw_host.decode("ascii"), port)


def _signed(request: "httpx.Request", token: str) -> "httpx.Request":
    request.headers["Authorization"] = credentials = f"Bearer {token}"
    request.extensions = {**request.extensions, _SIGNATURE: credentials}
    return request


def _is_seekable(request: "httpx.Request") -> bool:
    """Tell whether all files of a form can be read once more: where one cannot be, httpx goes on with what is left."""
    files = [getattr(field, "file", b"") for field in getattr(request.stream, "fields", ())]
    return all(isinstance(file, str | bytes) or _can_seek(file) for file in files)


def _can_seek(file: Any) -> bool:
    return bool(file.seekable()) if hasattr(file, "seekable") else hasattr(file, "seek")


def _require_replayable(request: "httpx.Request", refused: "httpx.Response") -> None:
    problem = f"{request.method} {request.url.path} was answered 401, and "
    # A file or an iterator that has been sent would be sent empty now, and the server would say 200.
    if getattr(request.stream, "_is_stream_consumed", False) or not _is_seekable(request):
        raise NotReplayable(f"{problem}its body cannot be sent twice: create it again and repeat the call")
    try:
        _ = refused.content
    except RuntimeError:  # the library reads it before the repetition, and would name no cause
        cure = "let the hook read it whole, with response.read() or aread(), and repeat the call"
        raise NotReplayable(f"{problem}a response hook has taken the answer's body as a stream: {cure}") from None
