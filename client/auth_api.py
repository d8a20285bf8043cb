"""The HTTP calls to the auth service. Each is sent once; repeating is the caller's business."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp
from yarl import URL

from client import answers
from client.cause import headers_of_the_cause
from client.errors import AuthRejected, AuthUnavailable, InvalidCredentials, RefreshRejected, RefreshUnavailable
from client.tokens import Tokens


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
    body: bytes = field(repr=False)

    @property
    def error(self) -> answers.ErrorAnswer | None:
        return answers.read_error(self.body) if self.is_json else None


class AuthApi:
    """Calls of one auth service.

    Args:
        base: its address, ending in a slash.
        session: used if given, and never closed. Its middlewares are bypassed: a refresh that is intercepted could
            wait for itself.
        wall_clock: seconds since the epoch.
    """

    def __init__(self, base: URL, session: aiohttp.ClientSession | None, wall_clock: Callable[[], float]) -> None:
        self._base = base
        self._session = session
        self._wall_clock = wall_clock

    async def login(self, username: str, password: str, *, timeout_s: float) -> Tokens:
        """Open a session.

        Raises:
            InvalidCredentials: unknown user or wrong password.
            AuthUnavailable: network, timeout, 429, 5xx.
            AuthRejected: any other answer.
        """
        asked_at = self._wall_clock()
        reply = await self._post("login", {"username": username, "password": password}, timeout_s=timeout_s)
        if reply.status == HTTPStatus.UNAUTHORIZED:
            raise InvalidCredentials("the auth service knows no such user and password")
        return _tokens(reply, "login", asked_at)

    async def refresh(self, refresh_token: str, *, idempotency_key: str, timeout_s: float) -> Tokens:
        """Exchange a refresh token. The same key may be sent again until an answer arrives.

        Raises:
            InvalidGrant: the session has ended.
            RefreshUnavailable: network, timeout, 429, 5xx.
            RefreshRejected: any other answer.
        """
        asked_at = self._wall_clock()
        body = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        headers = {"Idempotency-Key": idempotency_key}
        try:
            reply = await self._post("refresh", body, headers=headers, timeout_s=timeout_s)
            if reply.status == HTTPStatus.BAD_REQUEST and (error := reply.error) and error.error == "invalid_grant":
                raise InvalidGrant(error.reason or "expired")
            return _tokens(reply, "refresh", asked_at)
        except AuthUnavailable as error:
            raise RefreshUnavailable(error.message, error.retry_after) from error.__cause__
        except AuthRejected as error:
            raise RefreshRejected(str(error)) from None

    async def logout(self, refresh_token: str, *, everywhere: bool = False, timeout_s: float) -> None:
        """End the session of *refresh_token*, or all sessions of its user.

        Raises:
            AuthUnavailable: network, timeout, 429, 5xx.
            AuthRejected: any other answer than 200.
        """
        reply = await self._post(
            "logout", {"refresh_token": refresh_token, "everywhere": everywhere}, timeout_s=timeout_s
        )
        if reply.status != HTTPStatus.OK:
            raise AuthRejected(_nonsense(reply, "logout"))

    async def _post(
        self, call: str, body: dict[str, Any], *, headers: dict[str, str] | None = None, timeout_s: float
    ) -> _Reply:
        options: dict[str, Any] = {
            "headers": headers_of_the_cause() | (headers or {}),
            "timeout": aiohttp.ClientTimeout(total=timeout_s),
            "allow_redirects": False,  # they would carry a password or a token to wherever the answer points
            "raise_for_status": False,
            "middlewares": (),
        }
        try:
            async with self._http() as http, http.post(self._base / call, json=body, **options) as got:
                reply = await _read(got, call)
        except TimeoutError as error:
            raise AuthUnavailable(f"{call}: no answer within {timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise AuthUnavailable(f"{call}: {self._base.host} cannot be reached: {type(error).__name__}") from error
        if reply.status == HTTPStatus.TOO_MANY_REQUESTS or reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise AuthUnavailable(f"{call}: the auth service answered {reply.status}", reply.retry_after)
        return reply

    @asynccontextmanager
    async def _http(self) -> AsyncIterator[aiohttp.ClientSession]:
        if self._session is not None:
            yield self._session
            return
        # One session a call: refreshes are rare, and a kept one would be bound to the event loop of its making.
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
            yield http


async def _read(response: aiohttp.ClientResponse, call: str) -> _Reply:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > answers.MAX_BYTES:
            response.close()
            raise AuthRejected(f"{call}: the answer is longer than {answers.MAX_BYTES} bytes")
    return _Reply(
        response.status,
        response.content_type == "application/json" or response.content_type.endswith("+json"),
        answers.read_retry_after(response.headers.get("Retry-After")),
        bytes(body),
    )


def _tokens(reply: _Reply, call: str, asked_at: float) -> Tokens:
    if reply.status != HTTPStatus.OK or not reply.is_json:
        raise AuthRejected(_nonsense(reply, call))
    if (error := reply.error) is not None:
        raise AuthRejected(f"{call}: 200 with the error {error.error} inside")
    try:
        return answers.read_tokens(reply.body, obtained_at=asked_at)
    except ValueError as error:
        raise AuthRejected(f"{call}: {error}") from None


def _nonsense(reply: _Reply, call: str) -> str:
    if HTTPStatus.MULTIPLE_CHOICES <= reply.status < HTTPStatus.BAD_REQUEST:
        return f"{call}: the auth service redirects ({reply.status}): give its final address"
    error = reply.error
    if error is not None:
        return f"{call}: the auth service refuses: {reply.status} {error.error}"
    return f"{call}: unexpected answer {reply.status}: is this the address of a dualtoken auth service?"
