"""Bytes that are no UTF-8, in every field that either service reads: refused, never a 5xx, never a trace."""

import json
import re
from collections.abc import Iterator
from urllib.parse import urlencode

import aiohttp

from tests.system.calls import log_in
from tests.system.following import SECRET, auth_with_feed
from tests.system.processes import PASSWORD, Deployment
from tests.system.raw import answers_others, exchange

BAD = b"\xff\xfe\xc3\x28"
ENCODED = b"%ff%fe%c3%28"  # the same in a form, a path or a query
SURROGATE = b"\\ud800"  # JSON can spell what UTF-8 cannot
JSON, FORM = b"application/json", b"application/x-www-form-urlencoded"
FIELDS = {
    "/login": ("username", "password"),
    "/refresh": ("refresh_token", "grant_type"),
    "/logout": ("token", "refresh_token"),
    "/password": ("current_password", "new_password"),
    "/introspect": ("token",),
}
GOOD = {"username": "zs", "password": PASSWORD, "current_password": PASSWORD, "new_password": PASSWORD}
TARGETS = (b"/" + BAD, b"/" + ENCODED, b"/revocations?after=" + ENCODED, b"/revocations?wait=" + BAD)
HEADERS = (
    *("Accept", "Accept-Encoding", "Access-Control-Request-Method", "Authorization", "Content-Encoding"),
    *("Content-Type", "Cookie", "Expect", "Forwarded", "Host", "Idempotency-Key", "If-None-Match", "Origin", "Range"),
    *("Referer", "traceparent", "tracestate", "Upgrade", "User-Agent", "X-Forwarded-For", "X-Forwarded-Proto"),
)


def request(line: bytes, body: bytes = b"", **headers: bytes) -> bytes:
    """Return a request that closes its connection; an underscore in a header's name stands for a hyphen."""
    lines = {"Host": b"a", "Connection": b"close", "Content-Length": b"%d" % len(body), **headers}
    head = b"".join(b"%s: %s\r\n" % (name.replace("_", "-").encode(), value) for name, value in lines.items())
    return line + b" HTTP/1.1\r\n" + head + b"\r\n" + body


def broken_bodies(path: str, field: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield media types, and bodies whose *field* is no UTF-8 and whose other members are good."""
    members = {name: GOOD[name] for name in FIELDS[path] if name in GOOD and name != field}
    for bad in (BAD, SURROGATE):
        yield JSON, json.dumps({**members, field: "@"}).encode().replace(b"@", bad)
    for bad in (BAD, ENCODED):
        yield FORM, urlencode({**members, field: "@"}).encode().replace(b"%40", bad)


def broken_requests(access_token: bytes) -> Iterator[bytes]:
    """Yield requests, each of which is refused for one field, if for nothing else."""
    for path, fields in FIELDS.items():
        bearer = b"Bearer " + (SECRET.encode() if path == "/introspect" else access_token)
        for field in fields:
            for media_type, body in broken_bodies(path, field):
                yield request(b"POST " + path.encode(), body, Content_Type=media_type, Authorization=bearer)
    for target in TARGETS:
        yield request(b"GET " + target, Authorization=b"Bearer " + SECRET.encode())
    for encoded in (BAD, ENCODED):
        yield request(b"DELETE /sessions/" + encoded, Authorization=b"Bearer " + access_token)
    for line in (b"GET /home", b"POST /echo", b"GET /sessions", b"GET /revocations", b"POST /introspect"):
        yield request(line, Authorization=b"Bearer " + BAD)
        yield request(line, Authorization=BAD)
    token = b'{"refresh_token": "x"}'
    yield request(b"POST /refresh", token, Content_Type=JSON, Idempotency_Key=BAD)
    yield request(b"POST /refresh", token, Content_Type=BAD)
    yield request(b"POST /refresh", token, Content_Type=JSON + b"; charset=" + BAD, Origin=BAD)
    yield request(b"POST /refresh", b"{}", Content_Type=JSON, Cookie=b"refresh_token=" + BAD)
    yield request(BAD + b" /")
    yield b"GET /nowhere HTTP/1.1\r\nHost: a\r\nX-" + BAD + b": x\r\n\r\n"


def status_of(answer: bytes) -> int:
    """Return the status of an answer."""
    assert re.match(rb"HTTP/1\.[01] \d", answer), answer
    return int(answer.split(b" ", 2)[1])


async def test_invalid_utf8_is_refused_in_every_field(deployment: Deployment) -> None:
    """In a body, a path, a query or a header that is read: 4xx in the one shape, by both services, and no trace."""
    async with (
        auth_with_feed(deployment) as auth,
        deployment.resource_service() as resource,
        aiohttp.ClientSession() as http,
    ):
        token = (await log_in(http, auth))["access_token"].encode()
        for service in (auth, resource):
            for broken in broken_requests(token):
                answer = await exchange(service, broken)
                assert 400 <= status_of(answer) < 500, (broken, answer)
                assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"], (broken, answer)
            await answers_others(service)
        assert "Traceback" not in auth.stderr + resource.stderr


async def test_invalid_utf8_in_any_header_is_no_fault_of_the_service(deployment: Deployment) -> None:
    """Whatever header it stands in, the answer is below 500, and the services log no trace."""
    async with auth_with_feed(deployment) as auth, deployment.resource_service() as resource:
        for service in (auth, resource):
            for name in HEADERS:
                for line in (b"GET /", b"OPTIONS /refresh", b"POST /logout", b"GET /home"):
                    answer = await exchange(service, request(line, **{name: BAD}))
                    assert status_of(answer) < 500, (name, line, answer)
            await answers_others(service)
        assert "Traceback" not in auth.stderr + resource.stderr


async def test_a_session_keeps_what_is_readable_of_its_user_agent(deployment: Deployment) -> None:
    """Whoever logs in with a header that is no UTF-8 is let in, and finds the session in the list."""
    body = json.dumps({"username": "zs", "password": PASSWORD}).encode()
    async with deployment.auth_service() as auth, aiohttp.ClientSession() as http:
        answer = await exchange(auth, request(b"POST /login", body, Content_Type=JSON, User_Agent=b"a" + BAD))
        token = json.loads(answer.partition(b"\r\n\r\n")[2])["access_token"]
        async with http.get(auth.url / "sessions", headers={"Authorization": f"Bearer {token}"}) as response:
            (session,) = (await response.json())["sessions"]

    assert session["user_agent"].startswith("a")


async def test_an_upload_may_be_of_any_bytes(deployment: Deployment) -> None:
    """The body of ``POST /echo`` is no text: what is no UTF-8 is measured as anything else."""
    async with deployment.auth_service() as auth, aiohttp.ClientSession() as http:
        token = (await log_in(http, auth))["access_token"].encode()
    async with deployment.resource_service() as resource:
        answer = await exchange(resource, request(b"POST /echo", BAD, Authorization=b"Bearer " + token))

    assert len(BAD) == json.loads(answer.partition(b"\r\n\r\n")[2])["bytes"]
