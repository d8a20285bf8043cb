"""Wiring: the one module that names concrete parts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from dualtoken_serving.cors import allow_origins
from dualtoken_serving.metrics import Metrics
from dualtoken_serving.settings_source import file_of

from .domain.clock import Clock, steady_clock, wall_clock
from .domain.jwk import Jwk, secret_of
from .domain.proof import Nonces
from .domain.rotation import RotationPolicy
from .errors import StartupError
from .events.assertions import AssertionEvents
from .events.backend import BackendEvents
from .events.events import Events
from .keys import built
from .keys.issuer_keys import Issuers
from .keys.jwk_file import read_key_file
from .keys.watched_secret import WatchedSecret
from .keys.watcher import WatchedKeys
from .login_guard.call_limit import CallLimit
from .login_guard.counters import Counters
from .login_guard.cpu_quota import share_of_cores
from .login_guard.delay import DelayedRefusal
from .login_guard.hashing import Passwords
from .login_guard.judge import Judge
from .login_guard.request_limit import RequestLimit
from .login_guard.stand_ins import StandIns
from .login_guard.throttle import Throttle
from .settings import DRAINING, LONGEST_ACCESS_TTL_S, Settings
from .store.sql import open_store
from .tokens.access import AccessTokens, require_room
from .tokens.keyed_hmac import KeyedHmac
from .tokens.refresh import RefreshTokens
from .tokens.session_code import SealedCodes
from .use_cases.accounts import Accounts
from .use_cases.assertions import Assertions
from .use_cases.clock_guard import ClockGuard
from .use_cases.expired_sessions import Janitor
from .use_cases.hash_sampling import HashSampling
from .use_cases.introspection import Introspection
from .use_cases.proofs import Proofs
from .use_cases.revocation_feed import RevocationFeed
from .use_cases.session_codes import SessionCodes
from .use_cases.session_terms import Lifetimes
from .use_cases.session_tokens import SessionTokens
from .use_cases.sessions import Sessions
from .use_cases.users import Users
from .web import (
    backend_sessions,
    docs,
    health,
    introspection,
    login,
    logout,
    metadata,
    refresh,
    revocations,
    token,
    users,
)
from .web import sessions as own_sessions
from .web.app_keys import (
    ACCOUNTS,
    ASSERTIONS,
    BACKEND_CALLS,
    BACKEND_EVENTS,
    BACKEND_SECRET,
    EVENTS,
    INTROSPECTION,
    LISTING_LIMIT,
    PROOFS,
    PUBLIC_KEYS,
    REFRESH_LIMIT,
    REVOCATIONS,
    SERVICE_SECRET,
    SESSION_CODES,
    SESSIONS,
    SETTINGS,
    USERS,
)
from .web.bodies import MAX_BODY_BYTES
from .web.errors import errors_as_json

# Entries of the feed outlive every use of a token: its life, what verifiers may add to it (300 s), and a minute.
_USED_LATER_MS = 360_000
_KEEP_MS = LONGEST_ACCESS_TTL_S * 1000 + _USED_LATER_MS

log = structlog.get_logger(__name__)


def create_app(
    settings: Settings,
    *,
    clock: Clock = wall_clock,
    steady: Clock | None = None,
    make_passwords: Callable[[], Passwords] | None = None,
    delayed: DelayedRefusal | None = None,
) -> web.Application:
    """Wire one auth service. Reads the key files; everything else opens on start-up.

    Args:
        settings: what the environment says.
        clock: milliseconds since the epoch.
        steady: milliseconds that pass whatever becomes of the date, so that a jump of *clock* is noticed; the machine's
            by default. Another *clock* without one is believed.
        make_passwords: opens the pool that hashes passwords, instead of one of the settings; the application closes it.
        delayed: what slows refusals down, instead of a second's wait.

    Raises:
        StartupError: a key file or that of trusted issuers is missing or wrong, or both hold the same secret.
    """
    app = web.Application(middlewares=[errors_as_json], client_max_size=MAX_BODY_BYTES)
    app[SETTINGS], app[EVENTS], app[BACKEND_EVENTS] = settings, Events(), BackendEvents()
    app[SERVICE_SECRET], app[BACKEND_SECRET] = _secrets(settings)
    app[REFRESH_LIMIT] = RequestLimit(settings.refreshes_per_minute)
    app[LISTING_LIMIT] = RequestLimit(settings.listings_per_minute)
    Metrics("auth", app[EVENTS].registry, clock=clock).attach(app)
    health.share_answers(app, clock)
    # The memory of hashes, too, is multiplied by the workers.
    cores = settings.hashing_threads or share_of_cores(settings.workers)
    parts = _Parts(
        access=WatchedKeys(settings.access_keys, lambda keys: _access_tokens(keys, settings)),
        refresh=WatchedKeys(settings.refresh_keys, lambda keys: _refresh_tokens(keys, settings)),
        codes=WatchedKeys(settings.refresh_keys, built.session_codes),
        stand_ins=WatchedKeys(settings.refresh_keys, built.stand_in_mac),
        issuers=Issuers(settings.trusted_issuers, AssertionEvents(app[EVENTS].registry)),
        counters=Counters(settings.limits_url.get_secret_value()),
        refusals=delayed or DelayedRefusal(),
        make_passwords=make_passwords or partial(Passwords, cores=cores),
        clock=clock,
        steady=steady or (steady_clock if clock is wall_clock else None),
    )
    app[PUBLIC_KEYS] = WatchedKeys(settings.access_keys, built.public_keys)
    nonces = WatchedKeys(settings.refresh_keys, built.nonces)
    app[PROOFS] = Proofs([settings.issuer, *settings.dpop_htu], nonces, app[EVENTS], clock)
    app.cleanup_ctx.append(partial(_open_sessions, parts=parts, nonces=nonces))
    app.on_shutdown.append(_let_followers_go)
    _add_routes(app, settings.cors_origins)
    return app


@dataclass(frozen=True)
class _Parts:
    """What is made before anything opens, and works only while the application runs."""

    access: WatchedKeys[AccessTokens]
    refresh: WatchedKeys[RefreshTokens]
    codes: WatchedKeys[SealedCodes]
    stand_ins: WatchedKeys[KeyedHmac]
    issuers: Issuers
    counters: Counters
    refusals: DelayedRefusal
    make_passwords: Callable[[], Passwords]
    clock: Clock
    steady: Clock | None


async def _open_sessions(app: web.Application, parts: _Parts, nonces: WatchedKeys[Nonces]) -> AsyncIterator[None]:
    settings, events = app[SETTINGS], app[EVENTS]
    access, refresh, refusals = parts.access, parts.refresh, parts.refusals
    throttle = Throttle(parts.counters, settings.login_failures)
    lifetimes = _lifetimes(settings)
    policy = lifetimes.policy
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(
            open_store(*settings.database, accept_newer=settings.accept_newer_schema)
        )
        stack.push_async_callback(parts.counters.aclose)
        passwords = stack.enter_context(_open_passwords(parts.make_passwords))
        judge = Judge(passwords.lanes, settings.password_min_length, settings.issuer)
        stack.callback(judge.close)
        stand_ins = StandIns(lambda: parts.stand_ins.current)
        passwords.stand_in = stand_ins.hash_for
        sampling = HashSampling(store, stand_ins)
        await sampling.look()
        await stack.enter_async_context(_running(sampling.run()))
        for keys in (access, refresh, parts.codes, parts.stand_ins, nonces, app[PUBLIC_KEYS]):
            await stack.enter_async_context(_running(keys.watch()))
        clock = agreed = certain = parts.clock
        if parts.steady is not None:
            clock = guard = ClockGuard(store, parts.clock, parts.steady, events)
            agreed, certain = guard.agreed, guard.certain
            await guard.compare()
            await stack.enter_async_context(_running(guard.run()))
        await stack.enter_async_context(_running(Janitor(store, certain, keep=_KEEP_MS).run()))
        tokens = SessionTokens(access, refresh, lifetimes, clock)
        app[SESSIONS] = Sessions(store, passwords, throttle, refusals, tokens, lifetimes, events, agreed)
        app[ACCOUNTS] = Accounts(store, passwords, throttle, refusals, tokens, policy, judge, events, agreed)
        room = partial(require_room, issuer=settings.issuer, audience=settings.audiences)
        app[USERS] = Users(store, passwords, judge, room, events, app[BACKEND_EVENTS], agreed)
        app[BACKEND_CALLS] = CallLimit(parts.counters, settings.backend_calls, "backend")
        stack.push_async_callback(parts.issuers.aclose)
        app[ASSERTIONS] = Assertions(parts.issuers, app[SESSIONS], store, throttle, refusals, clock)
        heard = (parts.issuers.events, app[BACKEND_EVENTS])
        app[SESSION_CODES] = SessionCodes(parts.codes, app[SESSIONS], store, throttle, refusals, *heard, agreed)
        app[INTROSPECTION] = Introspection(store, tokens, policy, agreed)
        passwords.lanes.tell(events.hashing)
        keep = settings.access_ttl_s * 1000 + _USED_LATER_MS
        app[REVOCATIONS] = RevocationFeed(store, agreed, keep=keep, longest=_KEEP_MS)
        yield
        await app[SESSIONS].drain(settings.shutdown_s * DRAINING)


def _secrets(settings: Settings) -> tuple[WatchedSecret, WatchedSecret]:
    """Return what opens the calls of services, and those of the backend: never the same."""

    def refuse(other: WatchedSecret, values: tuple[str, ...]) -> None:
        if not set(values).isdisjoint(other.values):
            raise ValueError("shares a value with the other secret")

    service: WatchedSecret = WatchedSecret(
        settings.service_secret, file_of(Settings, "service_secret"), refuse=lambda values: refuse(backend, values)
    )
    backend = WatchedSecret(
        settings.backend_secret, file_of(Settings, "backend_secret"), refuse=lambda values: refuse(service, values)
    )
    return service, backend


def _require_apart(keys: list[Jwk], settings: Settings, other: Path) -> None:
    """Whoever verifies access tokens with a shared key must not be able to make refresh tokens with it.

    Raises:
        StartupError: *keys*, which one of the files holds now, share a secret with the *other*.
    """
    mine, others = ({secret_of(key) for key in each if key["kty"] == "oct"} for each in (keys, read_key_file(other)))
    if mine & others:
        raise StartupError(f"{settings.access_keys} and {settings.refresh_keys} hold the same secret")


async def _let_followers_go(app: web.Application) -> None:
    app[REVOCATIONS].close()


def _access_tokens(keys: list[Jwk], settings: Settings) -> AccessTokens:
    _require_apart(keys, settings, settings.refresh_keys)
    return AccessTokens(keys, issuer=settings.issuer, audience=settings.audiences, ttl_s=settings.access_ttl_s)


def _refresh_tokens(keys: list[Jwk], settings: Settings) -> RefreshTokens:
    _require_apart(keys, settings, settings.access_keys)
    if any(key["kty"] != "oct" for key in keys):
        raise StartupError(f"{settings.refresh_keys}: only symmetric keys sign refresh tokens (alg HS256)")
    return RefreshTokens(built.refresh_keys(keys))


def _lifetimes(settings: Settings) -> Lifetimes:
    policy = RotationPolicy(refresh_ttl=settings.refresh_ttl_s * 1000, grace=settings.grace_s * 1000)
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
    for module in (docs, health, introspection, revocations, users, backend_sessions):
        app.add_routes(module.routes)
    for_browsers = [
        route
        for module in (login, refresh, token, logout, own_sessions, metadata)
        for route in app.add_routes(module.routes)
    ]
    if origins:
        allow_origins(
            app, for_browsers, origins, methods=("GET", "HEAD", "POST", "DELETE"), headers=["DPoP", "Idempotency-Key"]
        )
