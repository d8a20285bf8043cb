"""Whatever is sent instead of a body: 4xx, one error shape, nothing of the input in the answer."""

import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientResponse

from dualtoken.auth_service.web.bodies import MAX_BODY_BYTES, Body
from dualtoken.auth_service.web.grants.refresh_token import Refresh
from dualtoken.auth_service.web.introspection import Introspect
from dualtoken.auth_service.web.login import Login
from dualtoken.auth_service.web.logout import Logout
from dualtoken.auth_service.web.sessions import PasswordChange
from tests.auth_service.running import PASSWORD, Auth

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
ENDPOINTS = ("/login", "/refresh", "/logout")


async def send(auth: Auth, path: str, body: Any, content_type: str = JSON) -> ClientResponse:
    """Send *body* as it is."""
    return await auth.post(path, data=body, headers={"Content-Type": content_type})


async def refused(response: ClientResponse) -> tuple[int, str]:
    """Return status and code of an error answer of the one shape."""
    body = await response.json()
    assert {"error", "error_description"} == body.keys()
    assert "no-store" == response.headers["Cache-Control"]
    return response.status, body["error"]


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"7",
        b"{}",
        b"\xff\xfe",
        b'{"username": "zs", "password": "\xff", "refresh_token": "\xff"}',
        rb'{"username": "\ud800", "password": "x", "refresh_token": "\ud800"}',
        rb'{"username": "zs", "password": "\udfff", "refresh_token": "x\udfff"}',
        b'{"username": 7, "password": "x", "refresh_token": 7}',
        b'{"username": null, "password": "x", "refresh_token": null}',
        b'{"username": ["zs"], "password": "x", "refresh_token": ["x"]}',
        b'{"username": {}, "password": {}, "refresh_token": {}}',
        b'{"username": true, "password": "x", "refresh_token": true}',
        b"[" * 16_000,
        b'{"username": NaN, "password": NaN, "refresh_token": NaN}',
        b'{"username": "zs", "password": "x", "refresh_token": "x", "other": NaN}',
        b'{"username": "zs", "password": "x", "refresh_token": "x", "other": [{"a": -Infinity}]}',
    ],
)
async def test_malformed_json_is_an_invalid_request(auth: Auth, path: str, body: bytes) -> None:
    """JSON that does not parse, or whose members are missing or of a wrong type, is 400 invalid_request."""
    response = await send(auth, path, body)

    assert (400, "invalid_request") == await refused(response)


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    "extra",
    [
        b'"username": "zs", "refresh_token": "x"',
        rb'"u\u0073ername": "zs", "r\u0065fresh_token": "x"',
        b'"other": 1, "other": 1',
        b'"other": {"a": 1, "a": 2}',
        b'"other": [[{"a": {"b": null, "b": null}}]]',
    ],
)
async def test_a_member_stands_once(auth: Auth, path: str, extra: bytes) -> None:
    """A proxy in front may read the first of two, so that neither is read: 400, at any depth, however it is written."""
    body = b'{"username": "zs", "password": "%s", "refresh_token": "x", %s}' % (PASSWORD.encode(), extra)

    assert (400, "invalid_request") == await refused(await send(auth, path, body))
    assert 0 == auth.hasher.verified


@pytest.mark.parametrize("number", [b"1" * 5000, b"1e999", b"[" * 90 + b"]" * 90])
async def test_what_is_unknown_is_read_or_refused(auth: Auth, number: bytes) -> None:
    """Numbers beyond measure and deep nesting in a member that nobody reads are no fault of the service."""
    body = b'{"username": "zs", "password": "%s", "other": %s}' % (PASSWORD.encode(), number)

    assert (await send(auth, "/login", body)).status in {200, 400}


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no-equals-sign",
        b"username=%ff&password=x&refresh_token=%ff",
        b"username=%ed%a0%80&password=x&refresh_token=%ed%a0%80",
        b"username=\xc3\xa9&password=x&refresh_token=\xc3\xa9",
        b"username=zs&username=zs&password=x&refresh_token=x&refresh_token=x",
        b"&".join([b"username=zs&password=x&refresh_token=x", *(b"a%d=1" % number for number in range(100))]),
        b"username=zs",
        b"password=x",
    ],
)
async def test_a_malformed_form_is_an_invalid_request(auth: Auth, path: str, body: bytes) -> None:
    """A form that is no form, that is not UTF-8, or that lacks or repeats a field, is 400 invalid_request."""
    response = await send(auth, path, body, FORM)

    assert (400, "invalid_request") == await refused(response)


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "multipart/form-data", "nonsense", ""])
@pytest.mark.parametrize("path", ENDPOINTS)
async def test_another_content_type_is_unsupported(auth: Auth, path: str, content_type: str) -> None:
    """A body that claims to be neither JSON nor a form is 415, whatever it holds."""
    response = await send(auth, path, b'{"username": "zs", "password": "x", "refresh_token": "x"}', content_type)

    assert (415, "unsupported_media_type") == await refused(response)


async def test_parameters_of_the_content_type_do_not_matter(auth: Auth) -> None:
    """application/json; charset=utf-8 is JSON."""
    body = b'{"username": "zs", "password": "%s"}' % PASSWORD.encode()

    assert 200 == (await send(auth, "/login", body, "Application/JSON; charset=utf-8")).status


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_an_oversize_body_is_too_large(auth: Auth, path: str) -> None:
    """A body above 16 KiB is 413."""
    response = await send(auth, path, b" " * (MAX_BODY_BYTES + 1))

    assert (413, "payload_too_large") == await refused(response)


async def test_an_oversize_chunked_body_is_too_large(auth: Auth) -> None:
    """A body that does not announce its length is measured as it comes, and refused at 16 KiB."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1024

    response = await send(auth, "/login", chunks())

    assert (413, "payload_too_large") == await refused(response)


async def test_a_body_of_exactly_the_limit_is_read(auth: Auth) -> None:
    """16 KiB are allowed."""
    body = b'{"username": "zs", "password": "%s"}' % PASSWORD.encode()

    assert 200 == (await send(auth, "/login", body.ljust(MAX_BODY_BYTES))).status


@pytest.mark.parametrize("encoding", ["deflate", "gzip", "br", "nonsense"])
async def test_a_compressed_body_is_unsupported(auth: Auth, encoding: str) -> None:
    """A compressed body is 415 and never inflated, however small it arrives."""
    headers = {"Content-Type": JSON, "Content-Encoding": encoding}
    response = await auth.post("/login", data=zlib.compress(b" " * 10_000_000), headers=headers)

    assert (415, "unsupported_media_type") == await refused(response)


async def test_unknown_members_are_ignored(auth: Auth) -> None:
    """A client may send more than this service reads."""
    response = await auth.post("/login", {"username": "zs", "password": PASSWORD, "remember_me": [1, {}]})

    assert 200 == response.status


@pytest.mark.parametrize("username", ["", "x" * 256, "x" * 10_000, "z\x00s", "z\ns", "z\x7fs", "zs\n"])
@pytest.mark.parametrize("content_type", [JSON, FORM])
async def test_a_name_that_no_user_can_have_is_an_invalid_request(auth: Auth, username: str, content_type: str) -> None:
    """Empty names, names above 255 characters, and control characters, NUL among them, are 400."""
    body = {"username": username, "password": "x"}
    response = await auth.post("/login", **({"json": body} if content_type == JSON else {"data": body}))

    assert (400, "invalid_request") == await refused(response)


@pytest.mark.parametrize("password", ["", "x" * 1025, "x" * 10_000])
async def test_a_password_that_no_user_can_have_is_an_invalid_request(auth: Auth, password: str) -> None:
    """Empty passwords and passwords above 1024 characters are 400, before anything is hashed."""
    response = await auth.post("/login", {"username": "zs", "password": password})

    assert (400, "invalid_request") == await refused(response)
    assert 0 == auth.hasher.verified


async def test_the_answer_repeats_nothing_of_the_body(auth: Auth) -> None:
    """The description names the member, never its value: it may be a password."""
    response = await auth.post("/login", {"username": "zs", "password": ["hunter2"]})

    text = await response.text()

    assert "password" in text
    assert "hunter2" not in text


@pytest.mark.parametrize("model", [Introspect, Login, Logout, PasswordChange, Refresh])
def test_no_secret_outlives_its_request(model: type[Body]) -> None:
    """The parser keeps no value for the next body that has the same: it would be a password or a refresh token."""
    secrets = {"username": "zs", "current_password": "x" * 10, "new_password": "y" * 10}
    secrets |= {"password": "x" * 10} if model is Login else {}
    secrets |= {"token": "z" * 10} if model in (Introspect, Logout) else {"refresh_token": "z" * 10}
    body = json.dumps(secrets)

    first, second = model.model_validate_json(body), model.model_validate_json(body)

    assert first == second
    assert [] == [name for name in first.model_fields_set if getattr(first, name) is getattr(second, name)]
