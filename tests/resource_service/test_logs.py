"""What the service logs: JSON lines on standard error, and never a token, a key or the service secret."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from yarl import URL

from tests.connection import listening
from tests.resource_service.forgeries import forgeries
from tests.resource_service.issuer import Key, write_keys
from tests.resource_service.services import bearer, raw_answer
from tests.system.eventually import eventually
from tests.system.processes import Service, serving

SERVICE_SECRET = "a-service-secret-of-more-than-32-characters"
STRAY = "stray-s3cr3t-bytes"
UNPARSABLE = (
    f"GET /home HTTP/1.1\r\nHost: a\r\nAuthorization Bearer {STRAY}\r\n\r\n",
    f"GET /home HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \x01{STRAY}\r\n\r\n",
    f"GET /home HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {STRAY * 2000}\r\n\r\n",
    f"\x16\x03\x01{STRAY}\r\n\r\n",
    f"GET /home HTTP/{STRAY}\r\nHost: a\r\n\r\n",
    f"{STRAY} /home HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    f"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {STRAY}\r\n\r\n",
    f"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{STRAY}\r\n",
    f"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\nExpect: {STRAY}\r\n\r\n{{}}",
    f"GET /home?access_token={STRAY} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    f"GET /nowhere/{STRAY} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    f"GET /home HTTP/1.1\r\nHost: a\r\nConnection: close\r\ntraceparent: {STRAY}\r\n\r\n",
    f"GET /home HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Basic {STRAY}\r\n\r\n",
    f"GET /home HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {STRAY}\r\nAuthorization: x\r\n\r\n",
)
PATHS = ("/", "/home", "/health/live", "/health/ready", "/metrics", "/openapi.json", "/docs", "/nowhere")


def _http(status: str, body: str = "", header: str = "X-None: x") -> bytes:
    """Make a whole answer."""
    return f"HTTP/1.1 {status}\r\n{header}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


RESET = b""
MOODS = (
    _http("500 No", f"{SERVICE_SECRET} is wrong"),
    _http("401 No", header=f"WWW-Authenticate: {SERVICE_SECRET}"),
    _http("200 OK", json.dumps({"cursor": SERVICE_SECRET})),
    f"SSH-2.0-{STRAY} {SERVICE_SECRET}\r\n".encode(),
    RESET,
    f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{STRAY}\r\n{SERVICE_SECRET}".encode(),
    f"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{STRAY}".encode(),
)
NEWS = json.dumps({"cursor": "1", "revoked": [{"sid": "gone", "revoked_at": 0, "reason": "logout"}]})


@contextlib.asynccontextmanager
async def moody_feed() -> AsyncIterator[URL]:
    """Run a feed that fails in every way before it answers; return its address."""
    moods = iter(MOODS)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert f"Authorization: Bearer {SERVICE_SECRET}\r\n".encode() in head
        mood = next(moods, _http("200 OK", NEWS))
        if mood == RESET:
            writer.transport.abort()
            return
        writer.write(mood)

    async with listening(answer) as port:
        yield URL(f"http://127.0.0.1:{port}")


async def call_everything(url: URL, tokens: dict[str, str]) -> dict[str, int]:
    """Call every endpoint with every token; return what ``/home`` said to each."""
    said: dict[str, int] = {}
    async with aiohttp.ClientSession(url) as http:
        for name, token in tokens.items():
            for path in PATHS:
                async with http.get(path, headers=bearer(token)) as answer:
                    await answer.read()
                    if path == "/home":
                        said[name] = answer.status
            async with http.post("/echo", headers=bearer(token), data=STRAY) as answer:
                await answer.read()
    return said


async def send_forgeries(url: URL) -> set[str]:
    """Present each forged token, all at once; return them."""
    tokens = {token for _, token in forgeries() if token.isascii() and token.isprintable()}

    async def send(token: str) -> None:
        head = f"GET /home HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
        assert (await raw_answer(url, head.encode())).startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), token

    await asyncio.gather(*map(send, tokens))
    return tokens


async def break_the_keys(path: Path, service: Service, key: Key) -> None:
    """Put a set that must not be used in the place of the keys, until that is noticed."""
    write_keys(path, key.jwk | {"kid": ""})
    await eventually(lambda: "keys.refused" in service.stderr)
    write_keys(path, key)


def parts(tokens: set[str]) -> set[str]:
    """Return the tokens, and of each the parts that are long enough to be told from other words."""
    return {part for token in tokens for part in (token, *token.split(".")) if len(part) > 20}


async def test_no_secret_is_ever_logged(key_file: Path, key: Key, times: dict[str, int]) -> None:
    """Every endpoint, called well and badly at the most talkative level, leaves no token, key or secret behind."""
    forger = Key(kid="another", seed=b"what a forger has in place of the key")
    tokens = {
        "good": key.token(**times),
        "read only": key.token(scope="read", **times),
        "expired": key.token(),
        "revoked": key.token(sid="gone", **times),
        "of an unknown key": forger.token(**times),
        "spoilt": key.token(**times)[:-3] + "xxx",
        "none": STRAY,
    }
    async with moody_feed() as feed:
        settings = {
            "RESOURCE_PORT": 0,
            "RESOURCE_KEYS": key_file,
            "RESOURCE_LOG_LEVEL": "debug",
            "RESOURCE_REVOCATIONS_URL": feed / "revocations",
            "RESOURCE_SERVICE_SECRET": SERVICE_SECRET,
        }
        async with serving("resource_service", settings) as service:
            await eventually(lambda: "revocations.received" in service.stderr)
            said = await call_everything(service.url, tokens)
            forged = await send_forgeries(service.url)
            for request in UNPARSABLE:
                await raw_answer(service.url, request.encode("latin-1"))
            await break_the_keys(key_file, service, key)
    secrets = parts({*tokens.values(), *forged}) | {SERVICE_SECRET, STRAY, key.jwk["k"], forger.jwk["k"]}
    written = service.stdout + service.stderr
    events = {json.loads(line)["event"] for line in service.stderr.splitlines()}

    assert {"good": 200, "read only": 200} | dict.fromkeys(list(tokens)[2:], 401) == said
    assert [] == sorted(secret for secret in secrets if secret in written)
    assert {"keys.loaded", "keys.refused", "revocations.interrupted", "request.refused", "request.unparsable"} <= events
