"""What authentication costs: ``GET /home`` of the resource service ÷ the same handler without auth.

    python -m benchmarks.resource_auth_ratio [--rounds 9] [--seconds 2] [--connections 64]

Two server processes share one core, and are asked in turn; the load comes from another core. ``bare`` is an aiohttp
application with nothing but the handler: no middleware at all. Goal: a ratio of at least 0.95.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import uvloop
from aiohttp import web

from benchmarks.http_load import Answer, NextRequest, load
from resource_service.claims import Claims
from resource_service.web.home import greet

ISSUER, AUDIENCE = "http://localhost:8001", "http://localhost:8002"
REPOSITORY = Path(__file__).parents[1]
GOAL = 0.95


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


def serve_bare() -> None:
    """Serve the handler alone, with claims that it need not ask for."""
    known = claims(int(time.time()))
    fixed = Claims(**{name: known[name] for name in Claims.__slots__ if name in known} | {"aud": (AUDIENCE,)})  # type: ignore[arg-type]

    async def home(_request: web.Request) -> web.Response:
        return greet(fixed)

    async def run() -> None:
        app = web.Application()
        app.router.add_get("/home", home)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(f"bare listening on http://127.0.0.1:{site.port}", flush=True)
        await asyncio.Event().wait()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(), loop_factory=uvloop.new_event_loop) if sys.version_info >= (3, 12) else uvloop.run(run())


@contextlib.contextmanager
def server(*command: str, core: int, **settings: str) -> Iterator[int]:
    """Start a server pinned to *core*; give its port."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=REPOSITORY,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield int(line.rpartition(":")[2])
    finally:
        process.terminate()
        process.wait()


def get_home(token: str) -> NextRequest:
    """Ask for /home with *token*, again and again."""
    request = f"GET /home HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()

    def next_request(last: Answer | None) -> bytes:
        assert last is None or last.status == 200, last
        return request

    return next_request


async def measure(ports: dict[str, int], token: str, options: argparse.Namespace) -> dict[str, list[float]]:
    """Ask the servers in turn, the first of each round changing."""
    rates: dict[str, list[float]] = {name: [] for name in ports}
    for round_ in range(-1, options.rounds):
        order = list(ports.items())
        for name, port in order if round_ % 2 else reversed(order):
            result = await load(
                "127.0.0.1",
                port,
                lambda _: get_home(token),
                connections=options.connections,
                duration_s=options.seconds,
            )
            assert not result.failures, result.failures[:3]
            if round_ >= 0:  # the first round warms up
                rates[name].append(result.per_second)
                print(
                    f"  {round_ + 1:2} {name:6} {result.per_second:8.0f}/s  p99 {result.percentile_s(99) * 1e3:6.2f} ms"
                )
    return rates


def report(rates: dict[str, list[float]]) -> float:
    """Print medians with their spread; give the ratio."""
    for name, values in rates.items():
        print(f"{name:6} median {statistics.median(values):8.0f}/s  min {min(values):8.0f}  max {max(values):8.0f}")
    pairs = [auth / bare for auth, bare in zip(rates["auth"], rates["bare"], strict=True)]
    ratio = statistics.median(rates["auth"]) / statistics.median(rates["bare"])
    print(f"ratio of medians {ratio:.3f}; per round: median {statistics.median(pairs):.3f}", end="")
    print(f"  min {min(pairs):.3f}  max {max(pairs):.3f}; goal {GOAL}")
    return ratio


def main() -> None:
    """Measure and report; exit 1 below the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--serve-bare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve_bare:
        serve_bare()
        return
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    key = secrets.token_bytes(32)
    token = jwt.encode(claims(int(time.time())), key, "HS256", headers={"typ": "at+jwt", "kid": "bench"})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "access.jwks.json"
        path.touch(mode=0o600)
        k = base64.urlsafe_b64encode(key).rstrip(b"=").decode()
        path.write_text(json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "kid": "bench", "k": k}]}))
        with (
            server("-m", "benchmarks.resource_auth_ratio", "--serve-bare", core=cores[0]) as bare,
            server(
                "-m",
                "resource_service",
                "serve",
                core=cores[0],
                RESOURCE_PORT="0",
                RESOURCE_KEYS=str(path),
                RESOURCE_ISSUER=ISSUER,
                RESOURCE_AUDIENCE=AUDIENCE,
            ) as auth,
        ):
            rates = uvloop.run(measure({"auth": auth, "bare": bare}, token, options))
    sys.exit(report(rates) < GOAL)


if __name__ == "__main__":
    main()
