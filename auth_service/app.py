"""Wiring: the one module that names concrete parts."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress

import aiohttp_cors
from aiohttp import web

from auth_service.access_tokens import AccessTokens
from auth_service.errors import StartupError
from auth_service.events import Events
from auth_service.keys import Jwk, WatchedKeys, public_jwk, secret_of
from auth_service.passwords import Passwords
from auth_service.refresh_tokens import RefreshKey, RefreshTokens
from auth_service.rotation import Policy
from auth_service.sessions import Clock, Lifetimes, Sessions, wall_clock
from auth_service.settings import Settings
from auth_service.store.sql import open_store
from auth_service.throttle import Throttle
from auth_service.web import health, login, logout, metadata, refresh
from auth_service.web.bodies import MAX_BODY_BYTES
from auth_service.web.errors import errors_as_json
from auth_service.web.keys import EVENTS, PUBLIC_KEYS, SESSIONS, SETTINGS


def create_app(
    settings: Settings, *, clock: Clock = wall_clock, make_passwords: Callable[[], Passwords] = Passwords
) -> web.Application:
    """Wire one auth service. Reads the key files; everything else opens on start-up.

    Args:
        settings: what the environment says.
        clock: milliseconds since the epoch.
        make_passwords: opens the pool that hashes passwords; the application closes it.

    Raises:
        StartupError: a key file is missing or wrong.
    """
    access = WatchedKeys(settings.access_keys, lambda keys: _access_tokens(keys, settings))
    refresh_tokens = WatchedKeys(settings.refresh_keys, lambda keys: _refresh_tokens(keys, settings))
    public = WatchedKeys(settings.access_keys, _public_keys)
    throttle = Throttle(settings.limits_url.get_secret_value(), settings.login_failures)
    events = Events()

    async def sessions(app: web.Application) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(open_store(settings.database_url.get_secret_value()))
            passwords = stack.enter_context(_open_passwords(make_passwords))
            for keys in (access, refresh_tokens, public):
                await stack.enter_async_context(_running(keys.watch()))
            app[SESSIONS] = Sessions(
                store, passwords, throttle, access, refresh_tokens, _lifetimes(settings), events, clock
            )
            yield
            await app[SESSIONS].drain()

    app = web.Application(middlewares=[errors_as_json], client_max_size=MAX_BODY_BYTES)
    app[SETTINGS], app[EVENTS], app[PUBLIC_KEYS] = settings, events, public
    app.cleanup_ctx.append(sessions)
    _add_routes(app, settings.cors_origins)
    return app


def _access_tokens(keys: list[Jwk], settings: Settings) -> AccessTokens:
    return AccessTokens(keys, issuer=settings.issuer, audience=settings.audience, ttl_s=settings.access_ttl_s)


def _refresh_tokens(keys: list[Jwk], settings: Settings) -> RefreshTokens:
    if any(key["kty"] != "oct" for key in keys):
        raise StartupError(f"{settings.refresh_keys}: refresh tokens are signed by shared keys alone (alg HS256)")
    return RefreshTokens([RefreshKey(key["kid"], secret_of(key)) for key in keys])


def _public_keys(keys: list[Jwk]) -> bytes:
    return json.dumps({"keys": [public for key in keys if (public := public_jwk(key)) is not None]}).encode()


def _lifetimes(settings: Settings) -> Lifetimes:
    policy = Policy(refresh_ttl=settings.refresh_ttl_s * 1000, grace=settings.grace_s * 1000)
    return Lifetimes(policy, session_ttl=settings.session_ttl_s * 1000)


@contextmanager
def _open_passwords(make_passwords: Callable[[], Passwords]) -> Iterator[Passwords]:
    passwords = make_passwords()
    try:
        yield passwords
    finally:
        passwords.close()


@asynccontextmanager
async def _running(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _add_routes(app: web.Application, origins: tuple[str, ...]) -> None:
    app.add_routes(
        [
            web.get("/", metadata.index),
            web.get("/health/live", health.live),
            web.get("/health/ready", health.ready),
            web.get("/metrics", health.metrics),
        ]
    )
    for_browsers = app.add_routes(
        [
            web.post("/login", login.login),
            web.post("/refresh", refresh.refresh),
            web.post("/logout", logout.logout),
            web.get("/.well-known/oauth-authorization-server", metadata.metadata),
            web.get("/.well-known/jwks.json", metadata.jwks),
        ]
    )
    if origins:
        options = aiohttp_cors.ResourceOptions(
            allow_credentials=True,
            allow_headers=("Authorization", "Content-Type", "Idempotency-Key"),
            expose_headers=("Retry-After", "WWW-Authenticate"),
            max_age=600,
        )
        cors = aiohttp_cors.setup(app, defaults=dict.fromkeys(origins, options))
        for route in for_browsers:
            cors.add(route)
