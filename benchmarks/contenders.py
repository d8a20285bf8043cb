"""The servers that are measured side by side, ours and others', each with what makes its requests.

All are pinned to the same core and idle while another one is asked. Refreshes are chained: each connection presents
the token of its last answer.
"""

import base64
import json
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks import refresh_ratio, resource_auth_ratio
from benchmarks.auth_services import auth_service
from benchmarks.http_load import Answer, NextRequest
from benchmarks.installation import PEERS, NotInstalled, node, node_modules, python_of
from benchmarks.servers import cores, end, process, server
from benchmarks.strangers import USERS, Strangers, tokens_of, write_keys
from dualtoken.auth_service.domain.jwk import Jwk, new_jwk
from tests.ports import held_ports

READY_S = 30.0
SEED_S = 120.0
Maker = Callable[[int], NextRequest]
Start = Callable[[Path, int], AbstractContextManager[tuple[int, Maker]]]
Visits = Callable[[Jwk], Maker]
"""Makes the requests for /home, of tokens signed with a key."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One server.

    Attributes:
        name: as the table has it.
        what: how it is set up, in a few words.
        start: starts it, given a folder and a number of sessions; yields its port and what makes its requests.
    """

    name: str
    what: str
    start: Start


class Chain:
    """Makes each connection present the token of its last answer, over all rounds.

    Args:
        tokens: one refresh token per connection.
        request: makes a request of a token.
        member: of the answer: the next refresh token.
    """

    def __init__(self, tokens: list[str], request: Callable[[str], bytes], member: str = "refresh_token") -> None:
        self._tokens, self._request, self._member = tokens, request, member

    def __call__(self, number: int) -> NextRequest:
        """Return what makes the requests of connection *number*."""

        def next_request(last: Answer | None) -> bytes:
            if last is not None:
                assert last.status == 200, last
                token = json.loads(last.body)[self._member]
                assert token != self._tokens[number], "the refresh token was not rotated"
                self._tokens[number] = token
            return self._request(self._tokens[number])

        return next_request


def post_json(path: str, member: str) -> Callable[[str], bytes]:
    """Return what posts a token as a member of a JSON object."""
    return lambda token: refresh_ratio.post(path, json.dumps({member: token}).encode())


def post_form(path: str, **members: str) -> Callable[[str], bytes]:
    """Return what posts a token as RFC 6749 §6 writes it."""

    def request(token: str) -> bytes:
        body = urlencode({"grant_type": "refresh_token", "refresh_token": token, **members}).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    return request


@contextmanager
def dualtoken(folder: Path, sessions: int) -> Iterator[tuple[int, Maker]]:
    """Our auth service, as it comes, on SQLite; each request with a fresh Idempotency-Key."""
    with auth_service(folder / "dualtoken", sessions, core=cores()[0]) as (port, tokens):
        yield port, refresh_ratio.Chains(tokens)


@contextmanager
def json_echo(_folder: Path, _sessions: int) -> Iterator[tuple[int, Maker]]:
    """The limit of aiohttp: reads JSON, writes it."""
    with server("-m", "benchmarks.json_echo", "uvloop", core=cores()[0]) as port:
        yield port, refresh_ratio.echoed


def on_node(script: str, request: Callable[[str], bytes], **more: str) -> Start:
    """Return how to start a Node server that prints its port and its first refresh tokens."""

    @contextmanager
    def start(_folder: Path, sessions: int) -> Iterator[tuple[int, Maker]]:
        settings = {"NODE_ENV": "production", "SESSIONS": str(sessions), **more}
        with process([node(), script], core=cores()[0], cwd=node_modules(), **settings) as line:
            ready = told(line, script)
            yield ready["port"], Chain(ready["tokens"], request)

    return start


def told(line: str, script: str) -> dict[str, Any]:
    """Return what a Node server printed when it was ready.

    Raises:
        NotInstalled: it ended without a word, as it does on a Node.js that its packages do not know.
    """
    if not line:
        raise NotInstalled(f"{script} did not start on this Node.js")
    ready: dict[str, Any] = json.loads(line)
    return ready


def django(peer: str, request: Callable[[str], bytes], member: str) -> Start:
    """Return how to start a Django peer: gunicorn, one worker process with four threads, which keeps connections."""

    @contextmanager
    def start(folder: Path, sessions: int) -> Iterator[tuple[int, Maker]]:
        python, home = python_of(peer), PEERS / peer
        settings = {"PEER_DATABASE": str(folder / f"{peer}.db")}
        seeded = subprocess.run(
            [str(python), "peer.py", "seed", str(sessions)], cwd=home, env=os.environ | settings, check=True,
            capture_output=True, text=True, timeout=SEED_S,
        )  # fmt: skip
        command = [
            str(python), "-m", "gunicorn", "--worker-class", "gthread", "--threads", "4", "--keep-alive", "120",
            "--worker-connections", "1000", "--log-level", "error", "peer:application", "--bind",
        ]  # fmt: skip
        with held_ports(1) as (port,), silent([*command, f"127.0.0.1:{port}"], port, home, **settings):
            yield port, Chain(json.loads(seeded.stdout), request, member)

    return start


@contextmanager
def silent(command: list[str], port: int, home: Path, **settings: str) -> Iterator[None]:
    """Run a server that prints nothing when it is ready, until its port answers."""
    with subprocess.Popen(
        command, cwd=home, env=os.environ | settings, preexec_fn=lambda: os.sched_setaffinity(0, {cores()[0]})
    ) as child:
        try:
            wait_for(port, child)
            yield
        finally:
            end(child)


def wait_for(port: int, child: "subprocess.Popen[bytes]") -> None:
    """Wait until something listens.

    Raises:
        RuntimeError: nothing does.
    """
    until = time.monotonic() + READY_S
    while time.monotonic() < until and child.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"did not start: {child.args!r}")


def resource_service(visits: Visits) -> Start:
    """Return how to start our resource service, as it comes."""

    @contextmanager
    def start(folder: Path, _sessions: int) -> Iterator[tuple[int, Maker]]:
        key, path = new_jwk("HS256"), folder / f"{visits.__name__}.jwks.json"
        write_keys(path, [key])
        with server("-m", "resource_service", "serve", core=cores()[0], **resource_auth_ratio.settings(path)) as port:
            yield port, visits(key)

    return start


def without_auth(visits: Visits) -> Start:
    """Return how to start the same handler with the same answer on the service's own runner, without authentication."""

    @contextmanager
    def start(_folder: Path, _sessions: int) -> Iterator[tuple[int, Maker]]:
        with server("-m", "benchmarks.resource_auth_ratio", "--serve", "bare", core=cores()[0]) as port:
            yield port, visits(new_jwk("HS256"))

    return start


def fastapi(visits: Visits) -> Start:
    """Return how to start FastAPI + PyJWT: uvicorn with one worker, uvloop and httptools."""

    @contextmanager
    def start(_folder: Path, _sessions: int) -> Iterator[tuple[int, Maker]]:
        python, key = python_of("fastapi"), secrets.token_hex(32)
        command = [
            str(python), "-m", "uvicorn", "--no-access-log", "--log-level", "error",
            "--loop", "uvloop", "--http", "httptools", "peer:app", "--port",
        ]  # fmt: skip
        with held_ports(1) as (port,), silent([*command, str(port)], port, PEERS / "fastapi", PEER_KEY=key):
            yield port, visits(jwk_of(key))

    return start


def express_home(visits: Visits, **more: str) -> Start:
    """Return how to start Express + jsonwebtoken, verifying."""

    @contextmanager
    def start(_folder: Path, _sessions: int) -> Iterator[tuple[int, Maker]]:
        key = secrets.token_hex(32)
        settings = {"NODE_ENV": "production", "SESSIONS": "0", "ACCESS_KEY": key, **more}
        with process([node(), "express_jwt.mjs"], core=cores()[0], cwd=node_modules(), **settings) as line:
            yield told(line, "express_jwt.mjs")["port"], visits(jwk_of(key))

    return start


def jwk_of(key: str) -> Jwk:
    """Return a shared key as a JWK."""
    k = base64.urlsafe_b64encode(key.encode()).rstrip(b"=").decode()
    return {"kty": "oct", "alg": "HS256", "kid": "bench", "k": k}


def one_user(key: Jwk) -> Maker:
    """Ask for /home, always with the same token."""
    [token] = tokens_of(key, 1, issuer=resource_auth_ratio.ISSUER, audience=resource_auth_ratio.AUDIENCE)
    return lambda _number: resource_auth_ratio.get("/home", token)


def strangers(key: Jwk) -> Maker:
    """Ask for /home, each time with another user's token."""
    tokens = tokens_of(key, USERS, issuer=resource_auth_ratio.ISSUER, audience=resource_auth_ratio.AUDIENCE)
    return Strangers("/home", tokens)


def reads(visits: Visits) -> tuple[Contender, ...]:
    """Return the servers that verify, asked so."""
    return (
        Contender("dualtoken", "resource_service: RFC 9068 checks, revocation, metrics", resource_service(visits)),
        Contender(
            "the same handler without auth", "the limit: the service's own runner, no token", without_auth(visits)
        ),
        Contender("FastAPI + PyJWT", "uvicorn with one worker, uvloop, httptools", fastapi(visits)),
        Contender("Express + jsonwebtoken", "jsonwebtoken's verify in the handler", express_home(visits)),
        Contender(
            "Express + jsonwebtoken, KeyObjects",
            "the same, its secret made into a KeyObject once",
            express_home(visits, KEY_OBJECTS="1"),
        ),
    )


REFRESHES = (
    Contender("dualtoken", "aiohttp, SQLite, one row per session, on disk before the answer", dualtoken),
    Contender("bare aiohttp JSON echo", "the limit: no token, no database", json_echo),
    Contender(
        "Express + jsonwebtoken", "stateless: nothing stored, nothing revocable; secrets as strings",
        on_node("express_jwt.mjs", post_json("/refresh", "refresh_token")),
    ),
    Contender(
        "Express + jsonwebtoken, KeyObjects", "the same, its secrets made into KeyObjects once",
        on_node("express_jwt.mjs", post_json("/refresh", "refresh_token"), KEY_OBJECTS="1"),
    ),
    Contender(
        "node oidc-provider", "rotation, in memory: nothing on disk",
        on_node("oidc_provider.mjs", post_form("/token", client_id="bench")),
    ),
    Contender(
        "djangorestframework-simplejwt", "rotation and blacklist, SQLite, gunicorn with one worker of four threads",
        django("simplejwt", post_json("/refresh", "refresh"), "refresh"),
    ),
    Contender(
        "django-oauth-toolkit", "rotation and grace, SQLite, gunicorn with one worker of four threads",
        django("oauth_toolkit", post_form("/token", client_id="bench"), "refresh_token"),
    ),
)  # fmt: skip

READS = reads(one_user)
COLD_READS = reads(strangers)
