"""What authentication costs: ``GET /home`` of the resource service ÷ the same handler without auth.

    python -m benchmarks.resource_auth_ratio [--restarts 5] [--rounds 4] [--seconds 1] [--connections 64] [--feed]

Two server processes share one core and are asked in turn; the load comes from another core. ``bare`` has nothing but
the handler, on the service's own runner, so that both give one answer and count requests alike. Both are started anew
several times, since the luck of a process's memory layout is worth several percent. Processor time per request is
reported beside throughput: other work on the machine disturbs it less. Goal: a ratio of at least 0.95.

With ``--feed`` a third process, ``feed``, is asked in turn with them: the service as Compose runs it, which follows the
revocations of an auth service and looks at each request whether it still hears of them. The goal counts against both.
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
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import jwt
import psutil
import uvloop
from aiohttp import web

from benchmarks.http_load import Answer, NextRequest, load
from benchmarks.refresh_ratio import auth_service
from resource_service.claims import Claims
from resource_service.web.home import greet
from resource_service.web.protocol import JsonRunner

ISSUER, AUDIENCE = "http://localhost:8001", "http://localhost:8002"
REPOSITORY = Path(__file__).parents[1]
GOAL = 0.95
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


def serve_bare() -> None:
    """Serve the handler alone, with claims that it need not ask for."""
    known = claims(int(time.time()))
    fixed = Claims(**{name: known[name] for name in Claims.__slots__ if name in known} | {"aud": (AUDIENCE,)})  # type: ignore[arg-type]

    async def home(_request: web.Request) -> web.Response:
        return greet(fixed)

    async def run() -> None:
        app = web.Application()
        app.router.add_get("/home", home)
        # The service's own runner: both give the same answer, header for header.
        runner = JsonRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(f"bare listening on http://127.0.0.1:{site.port}", flush=True)
        await asyncio.Event().wait()

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(run())


@contextlib.contextmanager
def server(*command: str, core: int, **settings: str) -> Iterator[tuple[int, int]]:
    """Start a server pinned to *core*; give its port and process id."""
    process = subprocess.Popen(
        [sys.executable, *command], cwd=REPOSITORY, env=os.environ | settings, stdout=subprocess.PIPE, text=True
    )
    os.sched_setaffinity(process.pid, {core})
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield int(line.rpartition(":")[2]), process.pid
    finally:
        process.terminate()
        process.wait()


def settings(keys: Path) -> dict[str, str]:
    """The service as it comes, but for what it must know."""
    return {
        "RESOURCE_PORT": "0",
        "RESOURCE_KEYS": str(keys),
        "RESOURCE_ISSUER": ISSUER,
        "RESOURCE_AUDIENCE": AUDIENCE,
        "RESOURCE_LOG_LEVEL": "error",
    }


def get_home(token: str) -> NextRequest:
    """Ask for /home with *token*, again and again."""
    request = f"GET /home HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()

    def next_request(last: Answer | None) -> bytes:
        assert last is None or last.status == 200, last
        return request

    return next_request


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: requests per second of time, and of the server's processor time."""

    per_second: float
    per_cpu_second: float


async def measure(
    servers: dict[str, tuple[int, int]], token: str, options: argparse.Namespace
) -> dict[str, list[Sample]]:
    """Ask the servers in turn, the first of each round changing."""
    samples: dict[str, list[Sample]] = {name: [] for name in servers}
    for round_ in range(-1, options.rounds):
        order = list(servers.items())
        for name, (port, pid) in order if round_ % 2 else reversed(order):
            before = _cpu_s(pid)
            result = await load(
                "127.0.0.1",
                port,
                lambda _: get_home(token),
                connections=options.connections,
                duration_s=options.seconds,
                awake=True,
            )
            assert not result.failures, result.failures[:3]
            if round_ >= 0:  # the first round warms up
                samples[name].append(Sample(result.per_second, result.requests / (_cpu_s(pid) - before)))
    return samples


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def report(samples: dict[str, list[Sample]]) -> float:
    """Print medians with their spread; give the least ratio of throughput."""
    ratios = []
    for unit in ("per_second", "per_cpu_second"):
        values = {name: [getattr(sample, unit) for sample in runs] for name, runs in samples.items()}
        print(unit.replace("_", " "))
        for name, rates in values.items():
            print(f"  {name:5} median {statistics.median(rates):7.0f}  min {min(rates):7.0f}  max {max(rates):7.0f}")
        bare = values.pop("bare")
        for name, rates in values.items():
            pairs = [mine / its for mine, its in zip(rates, bare, strict=True)]
            middle = statistics.median(pairs)
            print(f"  {name} ÷ bare, round by round: median {middle:.3f}  min {min(pairs):.3f}  max {max(pairs):.3f}")
            if unit == "per_second":
                ratios.append(middle)
    print(f"goal {GOAL}: {'reached' if min(ratios) >= GOAL else 'missed'}")
    return min(ratios)


@contextlib.contextmanager
def feed(folder: Path) -> Iterator[dict[str, str]]:
    """Start an auth service; give the settings with which a resource service follows its revocations."""
    secret = secrets.token_urlsafe(32)
    os.environ |= {"AUTH_SERVICE_SECRET": secret, "AUTH_LOG_LEVEL": "error"}
    with auth_service(folder / "auth", 0, 0) as (port, _):
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
) -> dict[str, list[Sample]]:
    """Start all servers anew, the services with their settings, and measure them."""
    with contextlib.ExitStack() as stack:
        command = ("-m", "resource_service", "serve")
        servers = {name: stack.enter_context(server(*command, core=core, **own)) for name, own in services.items()}
        servers["bare"] = stack.enter_context(server("-m", "benchmarks.resource_auth_ratio", "--serve-bare", core=core))
        for port, _ in servers.values():
            asyncio.run(honoured(port, token))
        return uvloop.run(measure(servers, token, options))


def main() -> None:
    """Measure and report; exit 1 below the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--restarts", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--feed", action="store_true", help="measure a service that follows revocations, too")
    parser.add_argument("--serve-bare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve_bare:
        serve_bare()
        return
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
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
        samples: dict[str, list[Sample]] = {name: [] for name in (*services, "bare")}
        for _ in range(options.restarts):
            for name, runs in restart(services, token, options, cores[0]).items():
                samples[name] += runs
    sys.exit(report(samples) < GOAL)


if __name__ == "__main__":
    main()
