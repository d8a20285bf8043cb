"""Wiring: the one module that names concrete parts."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial

import aiohttp_cors
import structlog
from aiohttp import web

from auth_service.access_tokens import AccessTokens
from auth_service.accounts import Accounts
from auth_service.cores import share_of_cores
from auth_service.counters import Counters
from auth_service.errors import StartupError
from auth_service.events import Events
from auth_service.introspection import Introspection
from auth_service.janitor import Janitor
from auth_service.keys import Jwk, public_jwk, read_key_file, secret_of
from auth_service.password_rules import password_rule
from auth_service.passwords import Passwords
from auth_service.refresh_tokens import RefreshKey, RefreshTokens
from auth_service.refusals import HoldBack
from auth_service.revocations import RevocationFeed
from auth_service.rotation import Policy
from auth_service.sessions import Clock, Lifetimes, Sessions, wall_clock
from auth_service.settings import DRAINING, LONGEST_ACCESS_TTL_S, Settings
from auth_service.store.sql import open_store
from auth_service.throttle import Throttle
from auth_service.watched_keys import WatchedKeys
from auth_service.web import docs, health, introspection, login, logout, metadata, refresh, revocations
from auth_service.web import sessions as own_sessions
from auth_service.web.bodies import MAX_BODY_BYTES
from auth_service.web.errors import errors_as_json
from auth_service.web.keys import ACCOUNTS, EVENTS, INTROSPECTION, PUBLIC_KEYS, REVOCATIONS, SESSIONS, SETTINGS
from auth_service.web.protocol import REQUEST_TIMES
from auth_service.web.tracing import RequestTimes

# Entries of the feed outlive every use of a token: the longest life that could be set, since it may have been lowered a
# moment ago; what verifiers may add to it, which is 300 s; and a minute.
_KEEP_MS = (LONGEST_ACCESS_TTL_S + 360) * 1000

log = structlog.get_logger(__name__)


def create_app(
    settings: Settings,
    *,
    clock: Clock = wall_clock,
    make_passwords: Callable[[], Passwords] | None = None,
    hold_back: HoldBack | None = None,
) -> web.Application:
    """Wire one auth service. Reads the key files; everything else opens on start-up.

    Args:
        settings: what the environment says.
        clock: milliseconds since the epoch.
        make_passwords: opens the pool that hashes passwords, instead of one of the settings; the application closes it.
        hold_back: what slows refusals down, instead of a second's wait.

    Raises:
        StartupError: a key file is missing or wrong, or both hold the same secret.
    """
    _require_keys_apart(settings)
    app = web.Application(middlewares=[errors_as_json], client_max_size=MAX_BODY_BYTES)
    app[SETTINGS], app[EVENTS] = settings, Events()
    app[REQUEST_TIMES] = RequestTimes(app[EVENTS].registry)
    health.share_answers(app, clock)
    # The memory of hashes, too, is multiplied by the workers.
    cores = settings.hashing_threads or share_of_cores(settings.workers)
    parts = _Parts(
        access=WatchedKeys(settings.access_keys, lambda keys: _access_tokens(keys, settings)),
        refresh=WatchedKeys(settings.refresh_keys, lambda keys: _refresh_tokens(keys, settings)),
        counters=Counters(settings.limits_url.get_secret_value()),
        refusals=hold_back or HoldBack(),
        make_passwords=make_passwords or partial(Passwords, cores=cores),
        clock=clock,
    )
    app[PUBLIC_KEYS] = WatchedKeys(settings.access_keys, _public_keys)
    app.cleanup_ctx.append(partial(_open_sessions, parts=parts))
    app.on_shutdown.append(_let_followers_go)
    _add_routes(app, settings.cors_origins)
    return app


@dataclass(frozen=True)
class _Parts:
    """What is made before anything opens, and works only while the application runs."""

    access: WatchedKeys[AccessTokens]
    refresh: WatchedKeys[RefreshTokens]
    counters: Counters
    refusals: HoldBack
    make_passwords: Callable[[], Passwords]
    clock: Clock


async def _open_sessions(app: web.Application, parts: _Parts) -> AsyncIterator[None]:
    settings, events = app[SETTINGS], app[EVENTS]
    access, refresh, refusals, clock = parts.access, parts.refresh, parts.refusals, parts.clock
    throttle = Throttle(parts.counters, settings.login_failures)
    rule = password_rule(settings.password_min_length, settings.issuer)
    lifetimes = _lifetimes(settings)
    policy = lifetimes.policy
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings.database_url.get_secret_value()))
        stack.push_async_callback(parts.counters.aclose)
        passwords = stack.enter_context(_open_passwords(parts.make_passwords))
        for keys in (access, refresh, app[PUBLIC_KEYS]):
            await stack.enter_async_context(_running(keys.watch()))
        await stack.enter_async_context(_running(Janitor(store, clock, keep=_KEEP_MS).run()))
        app[SESSIONS] = Sessions(store, passwords, throttle, refusals, access, refresh, lifetimes, events, clock)
        app[ACCOUNTS] = Accounts(store, passwords, throttle, refusals, access, policy, rule, events, clock)
        app[INTROSPECTION] = Introspection(store, access, refresh, policy, clock)
        passwords.on_waiting = events.hashing
        app[REVOCATIONS] = RevocationFeed(store, clock, keep=_KEEP_MS)
        yield
        await app[SESSIONS].drain(settings.shutdown_s * DRAINING)


def _require_keys_apart(settings: Settings) -> None:
    """Whoever verifies access tokens with a shared key must not be able to make refresh tokens with it."""
    access, refresh = (
        {secret_of(key) for key in read_key_file(path) if key["kty"] == "oct"}
        for path in (settings.access_keys, settings.refresh_keys)
    )
    if access & refresh:
        raise StartupError(f"{settings.access_keys} and {settings.refresh_keys} hold the same secret")


async def _let_followers_go(app: web.Application) -> None:
    app[REVOCATIONS].close()


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
    return Lifetimes(policy, session_ttl=settings.session_ttl_s * 1000, sessions_per_user=settings.sessions_per_user)


@contextmanager
def _open_passwords(make_passwords: Callable[[], Passwords]) -> Iterator[Passwords]:
    passwords = make_passwords()
    try:
        yield passwords
    finally:
        passwords.close()


@asynccontextmanager
async def _running(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work, name=getattr(work, "__qualname__", None))
    task.add_done_callback(_log_the_end)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _log_the_end(task: asyncio.Task[None]) -> None:
    """Log the end of a task that should have gone on: at once, not when the service ends."""
    if not task.cancelled():
        log.critical("task.ended", task=task.get_name(), exc_info=task.exception())


def _add_routes(app: web.Application, origins: tuple[str, ...]) -> None:
    app.add_routes(
        [
            web.get("/", metadata.index),
            web.get("/health/live", health.live),
            web.get("/health/ready", health.ready),
            web.get("/metrics", health.metrics),
            web.get("/openapi.json", docs.openapi),
            web.get("/docs", docs.docs),
            web.post("/introspect", introspection.introspect),
            web.get("/revocations", revocations.revocations),
        ]
    )
    for_browsers = app.add_routes(
        [
            web.post("/login", login.login),
            web.post("/refresh", refresh.refresh),
            web.post("/logout", logout.logout),
            web.get("/sessions", own_sessions.list_sessions),
            web.delete("/sessions/{id}", own_sessions.end_session),
            web.post("/password", own_sessions.change_password),
            web.get("/.well-known/oauth-authorization-server", metadata.metadata),
            web.get("/.well-known/jwks.json", metadata.jwks),
        ]
    )
    if origins:
        options = aiohttp_cors.ResourceOptions(
            allow_credentials=True,
            allow_headers=("Authorization", "Content-Type", "Idempotency-Key", "traceparent", "tracestate"),
            expose_headers=("Retry-After", "WWW-Authenticate", "X-Request-Id"),
            max_age=600,
        )
        cors = aiohttp_cors.setup(app, defaults=dict.fromkeys(origins, options))
        for route in for_browsers:
            cors.add(route)
