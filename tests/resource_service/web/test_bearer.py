"""Every row of the error table of the resource service, over HTTP."""

import asyncio
import json
import time
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from tests.deadline import HANGS_S
from tests.resource_service.issuer import AUDIENCE, Key, write_keys
from tests.resource_service.services import bearer, raw_answer, resource_service

REALM = f'Bearer realm="{AUDIENCE}"'
METADATA = f'resource_metadata="{AUDIENCE}/.well-known/oauth-protected-resource"'
BARE = f"{REALM}, {METADATA}"


async def _challenge(answer: aiohttp.ClientResponse) -> tuple[int, str, str, str]:
    body = await answer.json()
    return answer.status, answer.headers["WWW-Authenticate"], body["error"], body["error_description"]


def _refused(reason: str) -> tuple[int, str, str, str]:
    return 401, f'{REALM}, error="invalid_token", error_description="{reason}", {METADATA}', "invalid_token", reason


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": "Bearer1 x"},
        {"Authorization": "x"},
        {"Authorization": ""},
    ],
    ids=["nothing", "another scheme", "a scheme that begins alike", "no scheme", "empty"],
)
async def test_missing_credentials_get_a_bare_challenge(
    headers: dict[str, str], service: aiohttp.ClientSession
) -> None:
    """Who sends no bearer token learns only that one is needed (RFC 6750 §3)."""
    async with service.get("/home", headers=headers) as answer:
        assert (401, BARE, "missing_credentials") == (await _challenge(answer))[:3]


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Bearer a b", "Bearer a.b", "Bearer a,b", "bearer ÿ.ÿ.ÿ"])
async def test_a_malformed_token_is_invalid(value: str, service: aiohttp.ClientSession) -> None:
    """A bearer token that is none is refused as one."""
    async with service.get("/home", headers={"Authorization": value}) as answer:
        assert _refused("invalid") == await _challenge(answer)


async def test_an_expired_token_says_so(service: aiohttp.ClientSession, key: Key) -> None:
    """The client can tell that refreshing helps."""
    now = int(time.time())
    async with service.get("/home", headers=bearer(key.token(iat=now - 60, exp=now - 6))) as answer:
        assert _refused("expired") == await _challenge(answer)


async def test_a_refresh_token_is_no_access_token(service: aiohttp.ClientSession) -> None:
    """It opens nothing here; the challenge is that of any bad token, the body tells what it is and where it goes."""
    async with service.get("/home", headers=bearer("dtr1_" + "A" * 60)) as answer:
        told = await _challenge(answer)

    assert _refused("invalid")[:3] == told[:3]
    assert "refresh token" in told[3]
    assert "POST /refresh" in told[3]


async def test_a_token_too_long_is_refused_as_a_token(service: aiohttp.ClientSession, key: Key) -> None:
    """More than 8 KiB are not read, whatever they hold."""
    padded = key.header() | {"pad": "x" * 7000}
    token = key.sign(padded, {})
    async with service.get("/home", headers=bearer(token)) as answer:
        assert _refused("invalid") == await _challenge(answer)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer "])
async def test_the_scheme_is_compared_without_case(
    scheme: str, service: aiohttp.ClientSession, key: Key, times: dict[str, int]
) -> None:
    """RFC 9110 §11.1 says so, and allows several spaces."""
    async with service.get("/home", headers={"Authorization": f"{scheme} {key.token(**times)}"}) as answer:
        assert 200 == answer.status


async def test_several_authorization_headers_are_refused(key_file: Path, key: Key, times: dict[str, int]) -> None:
    """Two readers could pick different ones, so none is picked."""
    header = f"Authorization: Bearer {key.token(**times)}\r\n"
    request = f"GET /home HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}{header}\r\n"
    async with resource_service(key_file) as session:
        answer = await raw_answer(URL(str(session._base_url)), request.encode())

    assert b"401" == answer.split()[1]
    assert {"error": "invalid_token", "error_description": "invalid"} == json.loads(answer.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("where", ["query", "form"])
async def test_only_the_header_carries_tokens(
    where: str, service: aiohttp.ClientSession, key: Key, times: dict[str, int]
) -> None:
    """Query parameters end up in logs (RFC 6750 §5.3): a token there counts for nothing."""
    token = {"access_token": key.token(**times)}
    sent = service.get("/home", params=token) if where == "query" else service.post("/echo", data=token)
    async with sent as answer:
        assert (401, BARE) == (await _challenge(answer))[:2]


async def test_a_head_request_is_guarded_alike(service: aiohttp.ClientSession) -> None:
    """HEAD tells nothing that GET would not."""
    async with service.head("/home") as answer:
        assert (401, BARE) == (answer.status, answer.headers["WWW-Authenticate"])


async def test_a_rotated_key_fails_no_request(key_file: Path, key: Key, times: dict[str, int]) -> None:
    """Tokens of a key just put into the file are honoured at once, those of the old one as long as it stays."""
    new = Key("k2", seed=b"another key of at least 32 bytes!")
    async with resource_service(key_file) as session:
        await _status(session, key.token(**times))
        write_keys(key_file, new, key)
        tokens = [signer.token(jti=str(n), **times) for signer in (new, key) for n in range(20)]
        statuses = await asyncio.gather(*(_status(session, token) for token in tokens))

    assert {200} == set(statuses)


async def test_a_retired_key_is_dead_within_ten_seconds(key_file: Path, key: Key, times: dict[str, int]) -> None:
    """A key taken out of the file stops verifying, cached tokens included."""
    token = key.token(**times)
    async with resource_service(key_file) as session:
        before = await _status(session, token)
        write_keys(key_file, Key("k2", seed=b"another key of at least 32 bytes!"))
        async with asyncio.timeout(HANGS_S):
            while (after := await _status(session, token)) == 200:
                pass

    assert (200, 401) == (before, after)


async def _status(session: aiohttp.ClientSession, token: str) -> int:
    async with session.get("/home", headers=bearer(token)) as answer:
        await answer.read()
        return answer.status
