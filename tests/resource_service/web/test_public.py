"""What asks for no token without a mark on its handler: resources, routes, and requests that a predicate knows."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from dualtoken.resource_service import CLAIMS, Bearer, optional, public
from tests.resource_service.clock import Clock
from tests.resource_service.issuer import AUDIENCE, ISSUER, NOW, Key
from tests.resource_service.services import bearer, serving
from tests.resource_service.web.foreign_application import status

KEY = Key()
GOOD, BAD = bearer(KEY.token()), bearer("nonsense")


class Shelf:
    """Handlers that share an object."""

    async def look(self, request: web.Request) -> web.Response:
        """Say who looks."""
        claims = request.get(CLAIMS)
        return web.json_response({"sub": claims and claims.sub})

    async def dust(self, request: web.Request) -> web.Response:
        """Say who dusts."""
        return await self.look(request)


def _bearer() -> Bearer:
    return Bearer(issuer=ISSUER, audience=AUDIENCE, keys={"keys": [KEY.jwk]}, clock=Clock(NOW + 10))


def _application(folder: Path, exempt: list[str]) -> web.Application:
    """Make one of which the parts named are exempt."""
    (folder / "page.html").write_text("hello")
    app, shelf = web.Application(), Shelf()
    places: dict[str, Any] = {
        "resource": app.router.add_static("/static", folder),
        "route": app.router.add_get("/look", shelf.look),
        "predicate": lambda request: request.path.startswith("/open/"),
    }
    app.router.add_post("/look", shelf.dust)
    app.router.add_get("/open/{name}", shelf.look)
    app.router.add_get("/dust", shelf.dust)
    _bearer().mount(app, public=[places[name] for name in exempt])
    return app


@pytest.mark.parametrize(
    ("exempt", "expected"),
    [
        ([], [401, 401, 401, 401, 401]),
        (["resource"], [200, 401, 401, 401, 401]),
        (["route"], [401, 200, 401, 401, 401]),
        (["predicate"], [401, 401, 401, 200, 401]),
        (["predicate", "route", "resource"], [200, 200, 401, 200, 401]),
    ],
)
@pytest.mark.parametrize("headers", [{}, BAD], ids=["without a token", "with a bad one"])
async def test_just_what_is_named_is_public(
    exempt: list[str], expected: list[int], headers: dict[str, str], tmp_path: Path
) -> None:
    """Static files and methods of an object too, and no other method of the same path."""
    calls = (
        ("GET", "/static/page.html"),
        ("GET", "/look"),
        ("POST", "/look"),
        ("GET", "/open/door"),
        ("GET", "/dust"),
    )
    async with serving(_application(tmp_path, exempt)) as url, aiohttp.ClientSession(url) as session:
        found = [(await session.request(*call, headers=headers)).status for call in calls]

    assert expected == found


async def test_who_calls_what_is_public_is_known(tmp_path: Path) -> None:
    """As on a route that is marked."""
    async with serving(_application(tmp_path, ["route"])) as url, aiohttp.ClientSession(url) as session:
        found = [await (await session.get("/look", headers=headers)).json() for headers in (GOOD, {})]

    assert [{"sub": "user-1"}, {"sub": None}] == found


async def _asynchronous(_request: web.Request) -> bool:
    return False


def test_what_could_not_say_so_is_named() -> None:
    """A coroutine would be true, a path nothing, and a sub-application's resource is of no request."""
    app = web.Application()
    mounted: Any = app.add_subapp("/api/", web.Application())
    for exempt, problem in ((_asynchronous, "neither"), ("/static", "neither"), (mounted, "a sub-application")):
        with pytest.raises(TypeError, match=problem):
            _bearer().mount(app, public=[exempt])


async def test_a_predicate_that_is_not_sure_lets_nobody_in() -> None:
    """What it returns must be a truth value: a coroutine, or a match of a pattern, is a mistake."""
    app = web.Application()
    app.router.add_get("/", Shelf().look)
    _bearer().mount(app, public=[lambda request: request.query.get("key")])  # type: ignore[list-item,return-value]
    async with serving(app) as url, aiohttp.ClientSession(url) as session:
        assert [500, 500, 200] == [
            (await session.get("/", params=params, headers=headers)).status
            for params, headers in (({}, {}), ({"key": "1"}, BAD), ({"key": "1"}, GOOD))
        ]


@pytest.mark.parametrize("mark", [public, optional])
def test_a_method_of_an_object_cannot_be_marked(mark: Any) -> None:
    """All objects of its class would have the mark; the error names the two ways that there are."""
    with pytest.raises(TypeError, match=r"mark Shelf\.look in its class, or name its route: mount\(app, public="):
        mark(Shelf().look)


@pytest.mark.parametrize(
    "headers", [{}, GOOD, BAD, bearer(Key("k2").token())], ids=["none", "good", "bad", "unknown key"]
)
async def test_a_middleware_alone_says_what_it_lacks(headers: dict[str, str]) -> None:
    """Without what keeps its keys current it judges nobody, waits for nothing, and says how to start it."""
    told: list[str] = []

    @web.middleware
    async def listening(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except RuntimeError as error:
            told.append(str(error))
            raise

    app = web.Application(middlewares=[listening, _bearer().middleware()])
    app.add_routes([web.get("/", Shelf().look), web.get("/public", status)])
    async with serving(app) as url, aiohttp.ClientSession(url) as session:
        async with session.get("/", headers=headers) as answer:
            assert 500 == answer.status
        async with session.get("/public", headers=headers) as answer:
            assert 200 == answer.status

    assert [True] == ["mount() it, or attach() it" in text for text in told]


async def test_a_middleware_beside_attach_is_whole() -> None:
    """The two halves of mount."""
    app, whole = web.Application(), _bearer()
    app.middlewares.append(whole.middleware())
    whole.attach(app)
    app.router.add_get("/", Shelf().look)
    async with serving(app) as url, aiohttp.ClientSession(url) as session:
        found = [(await session.get("/", headers=each)).status for each in (GOOD, {}, bearer(Key("k2").token()))]

    assert [200, 401, 401] == found
