"""The HTTP calls to the auth service. Each is sent once; repeating is the caller's business."""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from aiohttp import hdrs
from yarl import URL

from ..errors import (
    AuthRejected,
    AuthUnavailable,
    ConfigurationError,
    InvalidCredentials,
    RefreshRejected,
    RefreshUnavailable,
)
from ..proof_keys import ProofKey, thumbprint
from ..tokens import Tokens
from . import responses
from .proof import make_proof
from .trace_context import headers_of_the_cause

_NONCE: Final = "DPoP-Nonce"  # RFC 9449 §8
_CURES: Final = {
    "invalid_dpop_proof": ": bind sessions to a key (dpop=True, login --bind); where they are, its operator lists this "
    "address in AUTH_DPOP_HTU",
    "invalid_scope": ": the session has not all of the scope that is asked for",
}
# Ask again: RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4. The first is also said of a body that came in too slowly.
_PASSING: Final = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
_SCOPE: Final = re.compile(r"[!#-\[\]-~]+( [!#-\[\]-~]+)*")  # RFC 6749 §3.3
_HEADERS: Final = {hdrs.CONTENT_TYPE: "application/json", hdrs.ACCEPT: "application/json"}


class InvalidGrant(Exception):
    """The auth service refuses the refresh token (RFC 6749 §5.2)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    is_json: bool
    retry_after: float | None
    request_id: str | None
    nonce: str | None
    body: bytes = field(repr=False)

    @property
    def error(self) -> responses.ErrorAnswer | None:
        return responses.read_error(self.body) if self.is_json else None

    def told(self, problem: str) -> str:
        """Add to *problem* what the service's operator finds its log lines by."""
        return problem if self.request_id is None else f"{problem} (request {self.request_id})"


class AuthApi:
    """Calls of one auth service.

    Args:
        base: its address, ending in a slash.
        session: used if given, and never closed: its connections and its proxy. Its middlewares are bypassed, as a
            refresh that is intercepted could wait for itself, and so is what it adds to each request. None: one of our
            own, with the proxies that the environment names.
        wall_clock: seconds since the epoch.
        proof_key: proves each login and refresh, so that the auth service binds the session to it (RFC 9449 §5).
        stored_key: returns the key that lies where the tokens do, if there is one: the session in a storage may have
            been bound by another process. It may block.
        scope: what each refresh asks its access token to be narrowed to (RFC 6749 §6); None: nothing.

    Raises:
        ConfigurationError: *scope* is none.
    """

    def __init__(
        self,
        base: URL,
        session: aiohttp.ClientSession | None,
        wall_clock: Callable[[], float],
        proof_key: ProofKey | None = None,
        stored_key: Callable[[], ProofKey | None] = lambda: None,
        scope: str | None = None,
    ) -> None:
        if scope is not None and not _SCOPE.fullmatch(scope):
            raise ConfigurationError(f"scope must be a space-delimited list, not {scope!r}")
        self._base = base
        self._session = session
        self._wall_clock = wall_clock
        self._proof_key, self._stored_key = proof_key, stored_key
        self._scope = {} if scope is None else {"scope": scope}
        self._nonce: str | None = None  # the newest of this service, whatever it answered with it

    @property
    def jkt(self) -> str | None:
        """The thumbprint of the key that is proven, if there is one."""
        return None if self._proof_key is None else thumbprint(self._proof_key.public_jwk)

    async def login(self, username: str, password: str, *, timeout_s: float) -> Tokens:
        """Open a session.

        Raises:
            InvalidCredentials: unknown user or wrong password.
            AuthUnavailable: network, timeout, 408, 425, 429, 5xx.
            AuthRejected: any other answer.
        """
        asked_at = self._wall_clock()
        body = {"username": username, "password": password}
        reply = await self._prove(self._proof_key, "login", body, timeout_s=timeout_s)
        if reply.status == HTTPStatus.UNAUTHORIZED:
            raise InvalidCredentials(reply.told("the auth service knows no such user and password"))
        return _tokens(reply, "login", asked_at)

    async def refresh(
        self, refresh_token: str, *, idempotency_key: str, timeout_s: float, bound_to: str | None = None
    ) -> Tokens:
        """Exchange a refresh token. The same key may be sent again until an answer arrives.

        Args:
            refresh_token: the newest.
            idempotency_key: of this rotation.
            timeout_s: for one exchange.
            bound_to: the thumbprint of the key that was proven at login. None: nothing is proven, and nothing that the
                auth service could refuse: such a session may be older than the key.

        Raises:
            InvalidGrant: the session has ended; or it is bound to a key that is not here any more (``key_lost``).
            RefreshUnavailable: network, timeout, 408, 425, 429, 5xx.
            RefreshRejected: any other answer.
            StorageError: the key where the tokens lie cannot be used.
        """
        asked_at = self._wall_clock()
        body = {"grant_type": "refresh_token", "refresh_token": refresh_token, **self._scope}
        headers = {"Idempotency-Key": idempotency_key}
        try:
            key = await self._key_of(bound_to)
            reply = await self._prove(key, "refresh", body, headers=headers, timeout_s=timeout_s)
            if reply.status == HTTPStatus.BAD_REQUEST and (error := reply.error):
                if error.error == "invalid_grant":
                    raise InvalidGrant(error.reason or "expired")
                # With the right key this is a matter for the operator, and no reason to log anybody out.
                if error.error == "invalid_dpop_proof" and key is None:
                    raise InvalidGrant("key_lost")
            return _tokens(reply, "refresh", asked_at)
        except AuthUnavailable as error:
            raise RefreshUnavailable(error.message, error.retry_after) from error.__cause__
        except AuthRejected as error:
            raise RefreshRejected(str(error)) from None

    async def _key_of(self, bound_to: str | None) -> ProofKey | None:
        """Return the key with that thumbprint, if it is here."""
        if bound_to is None or self.jkt == bound_to:
            return self._proof_key if bound_to else None
        stored = await asyncio.to_thread(self._stored_key)
        return stored if stored is not None and thumbprint(stored.public_jwk) == bound_to else None

    async def logout(self, refresh_token: str, *, everywhere: bool = False, timeout_s: float) -> None:
        """End the session of *refresh_token*, or all sessions of its user.

        Raises:
            AuthUnavailable: network, timeout, 408, 425, 429, 5xx.
            AuthRejected: any other answer than 200.
        """
        reply = await self._post(
            "logout", {"refresh_token": refresh_token, "everywhere": everywhere}, timeout_s=timeout_s
        )
        if reply.status != HTTPStatus.OK:
            raise AuthRejected(_nonsense(reply, "logout"))

    async def _prove(
        self,
        key: ProofKey | None,
        call: str,
        body: dict[str, Any],
        *,
        headers: dict[str, str] | None = None,
        timeout_s: float,
    ) -> _Reply:
        """Send one call with a fresh proof; once more, where the service asks for a nonce that it has just sent."""
        if key is None:
            return await self._post(call, body, headers=headers, timeout_s=timeout_s)
        for is_last in (False, True):
            proof = await make_proof(
                key, method="POST", url=self._base / call, now=self._wall_clock(), nonce=self._nonce
            )
            reply = await self._post(call, body, headers={**(headers or {}), "DPoP": proof}, timeout_s=timeout_s)
            error = reply.error if reply.status == HTTPStatus.BAD_REQUEST else None
            if is_last or reply.nonce is None or error is None or error.error != "use_dpop_nonce":
                return reply
        raise AssertionError("the second reply is returned")

    async def _post(
        self, call: str, body: dict[str, Any], *, headers: dict[str, str] | None = None, timeout_s: float
    ) -> _Reply:
        data = json.dumps(body).encode()  # not json=: a session may bring its own way to write it
        length = {hdrs.CONTENT_LENGTH: str(len(data))}
        sent = _HEADERS | length | headers_of_the_cause() | (headers or {})
        options: dict[str, Any] = {
            "data": data,
            "headers": sent,
            "timeout": aiohttp.ClientTimeout(total=timeout_s),
            "allow_redirects": False,  # they would carry a password or a token to wherever the answer points
            "raise_for_status": False,
            "middlewares": (partial(_send_bare, sent),),
        }
        try:
            async with self._http() as http, http.post(self._base / call, **options) as got:
                reply = await _read(got, call)
            self._nonce = reply.nonce or self._nonce
        except TimeoutError as error:
            raise AuthUnavailable(f"{call}: no answer within {timeout_s:g} s") from error
        except ssl.CertificateError as error:  # one of aiohttp's, too, and a ValueError
            problem = f"{call}: this machine does not trust the certificate of {self._base.host}"
            raise AuthUnavailable(problem) from error
        except ValueError as error:  # its text may hold the password of a proxy
            problem = f"{call}: the request cannot be made: {type(error).__name__}"
            raise AuthUnavailable(f"{problem}: is HTTPS_PROXY an address like http://proxy.example:3128?") from None
        except RuntimeError as error:  # the session that was handed in is closed, or belongs to another event loop
            raise AuthUnavailable(f"{call}: the request cannot be made: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise AuthUnavailable(f"{call}: {self._base.host} cannot be reached: {type(error).__name__}") from error
        if reply.status in _PASSING or reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            problem = f"{call}: the auth service answered {reply.status}"
            raise AuthUnavailable(reply.told(problem), reply.retry_after)
        return reply

    @asynccontextmanager
    async def _http(self) -> AsyncIterator[aiohttp.ClientSession]:
        if self._session is not None:
            yield self._session
            return
        # One session a call: refreshes are rare, and a kept one would be bound to the event loop of its making.
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=True) as http:
            yield http


async def _send_bare(
    sent: Mapping[str, str], request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Take off what a session adds by itself: default headers, cookies, credentials, a password from ``.netrc``."""
    user_agent = request.headers.get(hdrs.USER_AGENT, "")  # it is shown to users, in the list of their sessions
    request.headers.clear()
    request.headers.update({hdrs.HOST: request.url.host_port_subcomponent or "", hdrs.USER_AGENT: user_agent})
    request.headers.update(sent)
    request._continue = None  # noqa: SLF001 - what it would wait for, had a header asked for "100 Continue"
    return await handler(request)


async def _read(response: aiohttp.ClientResponse, call: str) -> _Reply:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > responses.MAX_BYTES:
            response.close()
            raise AuthRejected(f"{call}: the answer is longer than {responses.MAX_BYTES} bytes")
    return _Reply(
        response.status,
        response.content_type == "application/json" or response.content_type.endswith("+json"),
        responses.read_retry_after(response.headers.get("Retry-After")),
        responses.read_request_id(response.headers.get("X-Request-Id")),
        responses.read_nonce(response.headers.get(_NONCE)),
        bytes(body),
    )


def _tokens(reply: _Reply, call: str, asked_at: float) -> Tokens:
    if reply.status != HTTPStatus.OK or not reply.is_json:
        raise AuthRejected(_nonsense(reply, call))
    if (error := reply.error) is not None:
        raise AuthRejected(reply.told(f"{call}: 200 with the error {error.error} inside"))
    try:
        return responses.read_tokens(reply.body, obtained_at=asked_at)
    except ValueError as error:
        raise AuthRejected(reply.told(f"{call}: {error}")) from None


def _nonsense(reply: _Reply, call: str) -> str:
    if HTTPStatus.MULTIPLE_CHOICES <= reply.status < HTTPStatus.BAD_REQUEST:
        return f"{call}: the auth service redirects ({reply.status}): give its final address"
    error = reply.error
    if error is not None:
        cure = _CURES.get(error.error, "")
        return reply.told(f"{call}: the auth service refuses: {reply.status} {error.error}{cure}")
    return reply.told(f"{call}: unexpected answer {reply.status}: is this the address of a dualtoken auth service?")
