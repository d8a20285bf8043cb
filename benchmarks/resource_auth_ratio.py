"""What authentication costs: ``GET /home`` of the resource service ÷ the same handler without auth.

    python -m benchmarks.resource_auth_ratio [--restarts 10] [--rounds 20] [--seconds 0.25] [--connections 64] [--feed]

``open`` is the same handler as a public route of the same process, so that nothing but authentication differs. The
two are asked in turn with the same requests, which come from another core. Goal: a ratio of at least 0.95.

Beside them stands ``bare``, a process that has nothing but the handler on the service's own runner; it tells what a
service costs before it authenticates anybody, and no goal counts for it. All are started anew several times, since
the luck of a process's memory layout is worth several percent.

With ``--feed`` a further process is asked in turn with them: the service as Compose runs it, which follows the
revocations of an auth service and looks at each request whether it still hears of them. The goal counts for both.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import jwt
import uvloop
from aiohttp import web
from aiohttp.typedefs import Handler

from benchmarks.auth_services import auth_service
from benchmarks.http_load import Answer, NextRequest
from benchmarks.in_turn import Server, in_turn
from benchmarks.ratios import paired
from benchmarks.servers import cores, server
from benchmarks.verdicts import Goal, verdict_on
from dualtoken.resource_service.cli import commands
from dualtoken.resource_service.verification.claims import Claims
from dualtoken.resource_service.web.bearer import public
from dualtoken.resource_service.web.home import greet, routes
from dualtoken_serving.connection import JsonRunner

ISSUER, AUDIENCE = "http://localhost:8001", "http://localhost:8002"
GOAL = 0.95
SERVICES = ("auth", "feed")
READY_S = 30.0


def claims(now: int) -> dict[str, object]:
    """The claims of a token as the auth service issues it."""
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "0193f0c4-6d5e-7c1a-9f2b-3a4b5c6d7e8f",
        "sid": base64.urlsafe_b64encode(bytes(16)).rstrip(b"=").decode(),
        "client_id": "dualtoken",
        "iat": now,
        "exp": now + 3600,
        "jti": secrets.token_urlsafe(16),
        "scope": "read write",
        "username": "zs",
        "email": "zs@example.com",
    }


def open_home() -> Handler:
    """Make the handler with claims that it need not ask for."""
    fixed = Claims(b"", claims(int(time.time())))

    @public
    async def home(_request: web.Request) -> web.Response:
        return greet(fixed)

    return home


def serve_service() -> None:
    """Serve the service as it comes, with one public route more."""
    routes.get("/open")(open_home())
    commands(["serve"])


def serve_bare() -> None:
    """Serve the handler alone."""

    async def run() -> None:
        app = web.Application()
        app.router.add_get("/home", open_home())
        # The service's own runner: both give the same answer, header for header.
        runner = JsonRunner(app, service="bare")
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(f"bare listening on http://127.0.0.1:{site.port}", flush=True)
        await asyncio.Event().wait()

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(run())


def settings(keys: Path) -> dict[str, str]:
    """The service as it comes, but for what it must know."""
    return {
        "RESOURCE_PORT": "0",
        "RESOURCE_KEYS": str(keys),
        "RESOURCE_ISSUER": ISSUER,
        "RESOURCE_AUDIENCE": AUDIENCE,
        "RESOURCE_LOG_LEVEL": "error",
    }


def get(path: str, token: str) -> NextRequest:
    """Ask for *path* with *token*, again and again."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()

    def next_request(last: Answer | None) -> bytes:
        assert last is None or last.status == 200, last
        return request

    return next_request


def report(rates: dict[str, list[float]]) -> float:
    """Print medians with their spread; give the least ratio that the goal counts for."""
    for name, values in rates.items():
        low, middle, high = min(values), statistics.median(values), max(values)
        print(f"{name:9} median {middle:7.0f}/s  min {low:7.0f}  max {high:7.0f}")
    judged = {name: paired(rates[name], rates[without(name)]) for name in SERVICES if name in rates}
    for name, found in judged.items():
        print(f"{name} ÷ {without(name)}: {found}")
        print(f"{name} ÷ bare: {paired(rates[name], rates['bare'])}")
    least = min(judged.values(), key=lambda found: found.median)
    print(f"goal {GOAL}: {verdict_on(Goal('', GOAL), least).lower()}")
    return least.median


def without(service: str) -> str:
    """Name what stands in a report for the public route of *service*."""
    return f"{service} open"


@contextlib.contextmanager
def feed(folder: Path) -> Iterator[dict[str, str]]:
    """Start an auth service; give the settings with which a resource service follows its revocations."""
    secret = secrets.token_urlsafe(32)
    os.environ |= {"AUTH_SERVICE_SECRET": secret, "AUTH_LOG_LEVEL": "error"}
    with auth_service(folder / "auth", 0) as (port, _):
        url = f"http://127.0.0.1:{port}/revocations"
        yield {"RESOURCE_REVOCATIONS_URL": url, "RESOURCE_SERVICE_SECRET": secret}


async def honoured(port: int, token: str) -> None:
    """Wait until the service honours *token*: one that has not heard the feed yet honours none."""
    async with asyncio.timeout(READY_S), aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
        while True:
            async with http.get(f"http://127.0.0.1:{port}/home") as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(0.05)


def restart(
    services: dict[str, dict[str, str]], token: str, options: argparse.Namespace, core: int
) -> dict[str, list[float]]:
    """Start all servers anew, the services with their settings, and measure them."""
    with contextlib.ExitStack() as stack:
        command = ("-m", "benchmarks.resource_auth_ratio")
        ports = {
            name: stack.enter_context(server(*command, "--serve", "service", core=core, **own))
            for name, own in services.items()
        }
        bare = stack.enter_context(server(*command, "--serve", "bare", core=core))
        for port in ports.values():
            asyncio.run(honoured(port, token))
        home, public_home = get("/home", token), get("/open", token)
        servers = {"bare": Server(bare, lambda _: home)}
        for name, port in ports.items():
            servers |= {name: Server(port, lambda _: home), without(name): Server(port, lambda _: public_home)}
        turns = in_turn(
            servers, rounds=options.rounds, seconds=options.seconds, connections=options.connections, awake=True
        )
        return {name: [load.per_second for load in loads] for name, loads in uvloop.run(turns).items()}


def main() -> None:
    """Measure and report; exit 1 below the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--restarts", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0.25)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--feed", action="store_true", help="measure a service that follows revocations, too")
    parser.add_argument("--serve", choices=["service", "bare"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        {"service": serve_service, "bare": serve_bare}[options.serve]()
        return
    for_servers, for_load = cores()
    os.sched_setaffinity(0, {for_load})
    key = secrets.token_bytes(32)
    token = jwt.encode(claims(int(time.time())), key, "HS256", headers={"typ": "at+jwt", "kid": "bench"})
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        path = Path(folder) / "access.jwks.json"
        path.touch(mode=0o600)
        k = base64.urlsafe_b64encode(key).rstrip(b"=").decode()
        path.write_text(json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "kid": "bench", "k": k}]}))
        services = {"auth": settings(path)}
        if options.feed:
            services["feed"] = services["auth"] | stack.enter_context(feed(Path(folder)))
        rates: dict[str, list[float]] = {}
        for _ in range(options.restarts):
            for name, turns in restart(services, token, options, for_servers).items():
                rates.setdefault(name, []).extend(turns)
    sys.exit(report(rates) < GOAL)


if __name__ == "__main__":
    main()
