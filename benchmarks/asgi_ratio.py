"""What authentication costs under FastAPI: ``GET`` through BearerMiddleware ÷ the same route without it.

    python -m benchmarks.asgi_ratio [--restarts 10] [--rounds 20] [--seconds 0.25] [--connections 64]

Three applications in one process of uvicorn (uvloop, httptools), asked in turn with the same requests from another
core: ``guarded`` has BearerMiddleware, ``open`` has not, and ``pyjwt`` is ``benchmarks/peers/fastapi/peer.py``, the
bearer dependency of FastAPI's tutorial. Of the first two, the handler asks for no dependency, so that the middleware
alone differs; beside the third stands ``claims``, the guarded application's route with ``Depends(claims)``. Goals: 0.95
of the same route without it, 1.3 times FastAPI + PyJWT.

All are started anew several times, since the luck of a process's memory layout is worth several percent. Rates are
requests per second of the server's processor time: other work on the machine disturbs them less.
"""

import argparse
import importlib.util
import os
import secrets
import socket
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import jwt
import uvicorn
import uvloop
from fastapi import Depends, FastAPI
from jwt.utils import base64url_encode

from benchmarks.in_turn import Server, in_turn
from benchmarks.ratios import paired
from benchmarks.resource_auth_ratio import AUDIENCE, ISSUER, claims, get
from benchmarks.servers import REPOSITORY, cores, server
from dualtoken.resource_service import fastapi as dependencies
from dualtoken.resource_service.asgi import BearerMiddleware
from dualtoken.resource_service.verification.claims import Claims

OPEN_GOAL, PYJWT_GOAL = 0.95, 1.3
PATHS = {"guarded": "/guarded", "open": "/open", "claims": "/claims", "pyjwt": "/home"}
PAIRS = (("guarded", "open", OPEN_GOAL), ("claims", "pyjwt", PYJWT_GOAL))


def greeting(known: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the peer answers."""
    names = ("username", "email", "sub", "sid", "scope", "iat", "exp")
    return {
        "status": "success",
        "message": f"Hello, {known['username']}!",
        "data": {name: known[name] for name in names},
    }


def applications(key: str) -> dict[str, Any]:
    """Make them, by path."""
    fixed = claims(int(time.time()))
    guarded, bare = FastAPI(), FastAPI()

    async def greet() -> dict[str, Any]:
        return greeting(fixed)

    async def greet_caller(who: Annotated[Claims, Depends(dependencies.claims)]) -> dict[str, Any]:
        return greeting(who)

    guarded.add_api_route(PATHS["guarded"], greet)
    guarded.add_api_route(PATHS["claims"], greet_caller)
    bare.add_api_route(PATHS["open"], greet)
    jwk = {"kty": "oct", "alg": "HS256", "kid": "bench", "k": base64url_encode(key.encode()).decode()}
    guarded.add_middleware(BearerMiddleware, issuer=ISSUER, audience=AUDIENCE, keys={"keys": [jwk]})
    peer = peer_application(key)
    return {"/guarded": guarded, "/claims": guarded, "/open": bare, "/home": peer}


def peer_application(key: str) -> Any:
    """Return FastAPI + PyJWT."""
    os.environ["PEER_KEY"] = key
    spec = importlib.util.spec_from_file_location("peer", REPOSITORY / "benchmarks/peers/fastapi/peer.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.app


def serve(key: str) -> None:
    """Serve them all in one process; a look-up by path costs each the same."""
    by_path = applications(key)

    async def chosen(scope: Any, receive: Any, send: Any) -> None:
        await by_path[scope.get("path", PATHS["guarded"])](scope, receive, send)

    config = uvicorn.Config(chosen, loop="uvloop", http="httptools", access_log=False, log_level="error")
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        print(f"uvicorn on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        uvicorn.Server(config).run(sockets=[listener])


def restart(key: str, token: str, options: argparse.Namespace, core: int) -> dict[str, list[float]]:
    """Start the process anew, and measure."""
    with server("-m", "benchmarks.asgi_ratio", "--serve", core=core, BENCH_KEY=key) as port:
        requests = {name: get(path, token) for name, path in PATHS.items()}
        servers = {name: Server(port, lambda _, made=request: made) for name, request in requests.items()}  # type: ignore[misc]  # bound now
        turns = in_turn(
            servers,
            rounds=options.rounds,
            seconds=options.seconds,
            connections=options.connections,
            awake=True,
        )
        return {name: [load.per_processor_second for load in loads] for name, loads in uvloop.run(turns).items()}


def report(rates: Mapping[str, Sequence[float]]) -> bool:
    """Print medians and ratios; tell whether both goals are reached."""
    for name, values in rates.items():
        print(f"{name:8} median {statistics.median(values):7.0f}/s  min {min(values):7.0f}  max {max(values):7.0f}")
    held = True
    for name, other, goal in PAIRS:
        found = paired(rates[name], rates[other])
        held = held and found.median >= goal
        print(f"{name} ÷ {other}: {found}; goal {goal} {'reached' if found.median >= goal else 'MISSED'}")
    return held


def main() -> None:
    """Measure and report; exit 1 below a goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--restarts", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0.25)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(os.environ["BENCH_KEY"])
        return
    for_servers, for_load = cores()
    os.sched_setaffinity(0, {for_load})
    key = secrets.token_hex(32)
    token = jwt.encode(claims(int(time.time())), key, "HS256", headers={"typ": "at+jwt", "kid": "bench"})
    rates: dict[str, list[float]] = {}
    for _ in range(options.restarts):
        for name, turns in restart(key, token, options, for_servers).items():
            rates.setdefault(name, []).extend(turns)
    sys.exit(not report(rates))


if __name__ == "__main__":
    main()
