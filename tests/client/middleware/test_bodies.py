"""BearerAuth: a body is replayed whole, or not at all."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from dualtoken.client import BearerAuth, NotReplayable, TokenSource
from tests.client.middleware.calls import answer_to, fetch
from tests.conformance.pair import Control
from tests.deadline import HANGS_S

BODY = b"0123456789" * 20_000


async def echo(http: aiohttp.ClientSession, pair: Control, data: object, **options: object) -> object:
    """Return the answer of /echo after an expiry."""
    await pair.expire()
    async with http.post(f"{pair.api_url}/echo", data=data, **options) as response:  # type: ignore[arg-type]  # any
        return await response.json()


async def test_bytes_are_replayed_whole(http: aiohttp.ClientSession, pair: Control) -> None:
    """The replay carries the same body."""
    assert answer_to(BODY) == await echo(http, pair, BODY)


async def test_a_text_body_is_replayed_whole(http: aiohttp.ClientSession, pair: Control) -> None:
    """A string is encoded twice to the same bytes."""
    assert answer_to("grüezi".encode()) == await echo(http, pair, "grüezi")


async def test_json_is_replayed_whole(http: aiohttp.ClientSession, pair: Control) -> None:
    """json= is a body like another."""
    await pair.expire()
    async with http.post(f"{pair.api_url}/echo", json={"a": 1}) as response:
        assert answer_to(b'{"a": 1}') == await response.json()


async def test_a_file_is_replayed_from_where_it_stood(
    http: aiohttp.ClientSession, pair: Control, tmp_path: Path
) -> None:
    """An open file is sent again from the position that it had, not from its end."""
    path = tmp_path / "body"
    file = opened(path, BODY)
    file.seek(10)

    assert answer_to(BODY[10:]) == await echo(http, pair, file)


def opened(path: Path, body: bytes) -> io.BufferedReader:
    """Return a file with that body, opened for reading."""
    path.write_bytes(body)
    return path.open("rb")


async def test_a_buffer_is_replayed_whole(http: aiohttp.ClientSession, pair: Control) -> None:
    """io.BytesIO is a file."""
    assert answer_to(BODY) == await echo(http, pair, io.BytesIO(BODY))


async def test_a_multipart_form_with_a_file_is_replayed_whole(
    http: aiohttp.ClientSession, pair: Control, tmp_path: Path
) -> None:
    """The second copy is byte for byte the first."""
    form = aiohttp.FormData()
    form.add_field("name", "value")
    form.add_field("file", opened(tmp_path / "body", BODY), filename="body.bin")
    before = len(BODY)
    answer = await echo(http, pair, form)

    assert isinstance(answer, dict)
    assert before < answer["bytes"] < before + 1000


@pytest.mark.parametrize("chunked", [True, None])
async def test_a_compressed_body_is_replayed_whole(
    http: aiohttp.ClientSession, pair: Control, chunked: bool | None
) -> None:
    """Compression starts anew."""
    assert answer_to(BODY) == await echo(http, pair, BODY, compress="gzip", chunked=chunked)


@pytest.mark.parametrize("expect100", [False, True])
async def test_a_refusal_that_comes_before_the_body_was_sent_is_mended(
    http: aiohttp.ClientSession, pair: Control, expect100: bool
) -> None:
    """A gateway refuses by the header alone: the rest of the first copy is cut off, "100 Continue" asked for anew."""
    body = BODY * 100
    await pair.expire()
    async with (
        asyncio.timeout(HANGS_S),
        # Not PUT: when its connection breaks aiohttp repeats it by itself, and would hide what we do wrong.
        http.post(f"{pair.api_url}/early-refusal", data=io.BytesIO(body), expect100=expect100) as response,
    ):
        assert answer_to(body) == await response.json()


async def chunks() -> AsyncIterator[bytes]:
    """Yield a body that can be had once."""
    for _ in range(10):
        yield b"chunk"


async def test_a_generator_is_never_sent_empty(http: aiohttp.ClientSession, pair: Control) -> None:
    """What can be had once is sent once: the caller is told, and the token is renewed for the next try."""
    with pytest.raises(NotReplayable, match="create it again and repeat") as error:
        await echo(http, pair, chunks())

    assert isinstance(error.value.__cause__, aiohttp.ClientResponseError)
    assert (401, False) == (error.value.__cause__.status, "at-" in repr(error.value.__cause__))
    assert {"api_requests": 1, "refresh_calls": 1} == await pair.counts("api_requests", "refresh_calls")
    async with http.post(f"{pair.api_url}/echo", data=chunks()) as response:
        assert answer_to(b"chunk" * 10) == await response.json()


async def test_a_form_with_a_generator_is_never_sent_empty(http: aiohttp.ClientSession, pair: Control) -> None:
    """One part that can be had once makes the whole body so."""
    with aiohttp.MultipartWriter("form-data") as form:
        form.append("text")
        form.append_payload(aiohttp.payload.AsyncIterablePayload(chunks()))

    with pytest.raises(NotReplayable):
        await echo(http, pair, form)


async def test_a_refused_body_frees_its_connection(source: TokenSource, pair: Control) -> None:
    """NotReplayable leaves no connection behind."""
    auth = BearerAuth(source, origins=[pair.api_url])
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(connector=connector, middlewares=[auth]) as http, asyncio.timeout(HANGS_S):
        with pytest.raises(NotReplayable):
            await echo(http, pair, chunks())

        assert 200 == await fetch(http, f"{pair.api_url}/things")
