import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from dualtoken.resource_service.errors import KeySetRefused
from dualtoken.resource_service.keys.jwks_url import JwksUrl
from dualtoken.resource_service.keys.key_file import KEY_SET_LIMIT
from tests.resource_service.issuer import Key
from tests.resource_service.services import serving, silent_port, url_of

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
PUBLIC = Key(alg="EdDSA")


def _application(handler: Answer) -> web.Application:
    app = web.Application()
    app.router.add_get("/jwks.json", handler)
    return app


def _answer(body: str, status: int = 200) -> Answer:
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(text=body, status=status)

    return handler


async def test_public_keys_are_fetched() -> None:
    """A verifier needs no secret."""
    async with serving(_application(_answer(json.dumps({"keys": [PUBLIC.jwk]})))) as url:
        keys = await JwksUrl(str(url / "jwks.json")).fetch()

    assert (["k1"], False) == (list(keys.keys), keys.secret)


@pytest.mark.parametrize("media_type", ["application/jwk-set+json", "application/json"])
async def test_a_set_is_taken_by_either_name(media_type: str) -> None:
    """An issuer that serves one type alone answers 406 to who accepts only the other (RFC 9110 §12.5.1)."""

    async def handler(request: web.Request) -> web.Response:
        if media_type not in request.headers["Accept"]:
            raise web.HTTPNotAcceptable
        return web.Response(body=json.dumps({"keys": [PUBLIC.jwk]}).encode(), content_type=media_type)

    async with serving(_application(handler)) as url:
        keys = await JwksUrl(str(url / "jwks.json")).fetch()

    assert ["k1"] == list(keys.keys)


async def test_a_signed_url_is_not_told() -> None:
    """Whoever reads the log must not fetch by it; what is signed is asked for all the same."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=200 + len(request.query["sig"]))

    async with serving(_application(handler)) as url:
        source = JwksUrl(str(url.with_path("/jwks.json").with_query(sig="secret")))
        with pytest.raises(KeySetRefused, match="status 206") as refused:
            await source.fetch()

    assert ("secret" in source.name, "secret" in str(refused.value)) == (False, False)


async def test_a_mark_before_a_set_is_none_of_it() -> None:
    """Some editors begin a file so that is then published."""
    async with serving(_application(_answer("\ufeff" + json.dumps({"keys": [PUBLIC.jwk]})))) as url:
        keys = await JwksUrl(str(url / "jwks.json")).fetch()

    assert ["k1"] == list(keys.keys)


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        (json.dumps({"keys": [Key().jwk]}), 200, "publishes a shared or private key"),
        (json.dumps({"keys": [PUBLIC.jwk, Key("k2").jwk]}), 200, "publishes a shared or private key"),
        (json.dumps({"keys": [PUBLIC.private_jwk]}), 200, "publishes a shared or private key"),
        ("{}", 200, "no list of keys"),
        ("<html>", 200, "not a JWK Set"),
        (" " * (KEY_SET_LIMIT + 1), 200, "larger than 65536 bytes"),
        ("", 404, "status 404"),
        ("", 500, "status 500"),
    ],
)
async def test_a_bad_answer_is_refused(body: str, status: int, problem: str) -> None:
    """Above all one that lets everybody sign."""
    async with serving(_application(_answer(body, status))) as url:
        with pytest.raises(KeySetRefused, match=problem):
            await JwksUrl(str(url / "jwks.json")).fetch()


async def test_no_other_host_is_ever_asked() -> None:
    """A redirect is a bad answer."""
    asked = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({"keys": [PUBLIC.jwk]})

    async with serving(_application(elsewhere)) as other:

        async def moved(_request: web.Request) -> web.Response:
            raise web.HTTPFound(other / "jwks.json")

        async with serving(_application(moved)) as url:
            with pytest.raises(KeySetRefused, match="status 302"):
                await JwksUrl(str(url / "jwks.json")).fetch()

    assert [] == asked


async def test_a_silent_server_is_given_up() -> None:
    """The verifier goes on with what it has."""
    may_end = asyncio.Event()

    async def silent(_request: web.Request) -> web.Response:
        await may_end.wait()
        return web.Response()

    async with serving(_application(silent)) as url:
        with pytest.raises(KeySetRefused, match="TimeoutError"):
            await JwksUrl(str(url / "jwks.json"), timeout_s=0.05).fetch()
        may_end.set()


@pytest.mark.parametrize("host", ["a..b", "a" * 70])
async def test_a_host_that_cannot_be_asked_for_is_no_surprise(host: str) -> None:
    """A name that no resolver takes is one line like any other."""
    with pytest.raises(KeySetRefused, match=r"^key set https://"):
        await JwksUrl(f"https://{host}/jwks.json").fetch()


async def test_an_absent_server_is_no_surprise() -> None:
    """Nobody listens: the keys may come later."""
    with silent_port() as held, pytest.raises(KeySetRefused, match="ClientConnectorError"):
        await JwksUrl(str(url_of(held) / "jwks.json")).fetch()
