"""The middleware in an application that is not ours."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from dualtoken.resource_service.authenticator import FeedPolicy
from dualtoken.resource_service.web.bearer import Bearer, optional, public, requires
from tests.deadline import HANGS_S
from tests.resource_service.clock import Clock
from tests.resource_service.issuer import AUDIENCE, ISSUER, NOW, SID, Key, write_keys
from tests.resource_service.services import bearer as credentials
from tests.resource_service.services import serving
from tests.resource_service.web.foreign_application import Item, foreign_application, mounted, plain, status, writing

KEY = Key()
READER = credentials(KEY.token(scope="read"))
WRITER = credentials(KEY.token(scope="read write"))
BAD = credentials("nonsense")


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        ("GET", "/plain", {}, 401),
        ("GET", "/plain", BAD, 401),
        ("GET", "/plain", READER, 200),
        ("GET", "/writing", {}, 401),
        ("GET", "/writing", READER, 403),
        ("GET", "/writing", WRITER, 200),
        ("GET", "/both", READER, 403),
        ("GET", "/both", WRITER, 200),
        ("GET", "/greeting", {}, 200),
        ("GET", "/greeting", {"Authorization": "Basic eDp5"}, 200),
        ("GET", "/greeting", BAD, 401),
        ("GET", "/greeting", READER, 200),
        ("GET", "/inconsistent", {}, 401),
        ("GET", "/inconsistent", WRITER, 200),
        ("GET", "/status", {}, 200),
        ("GET", "/status", BAD, 200),
        ("GET", "/item", {}, 200),
        ("GET", "/item", BAD, 200),
        ("PUT", "/item", {}, 401),
        ("PUT", "/item", READER, 200),
        ("DELETE", "/item", {}, 401),
        ("DELETE", "/item", READER, 403),
        ("DELETE", "/item", WRITER, 200),
        ("GET", "/nowhere", {}, 404),
        ("GET", "/nowhere", BAD, 404),
        ("POST", "/plain", {}, 405),
        ("OPTIONS", "/preflighted", {}, 401),
        ("OPTIONS", "/preflighted", {"Origin": "https://a", "Access-Control-Request-Method": "GET"}, 200),
        ("OPTIONS", "/preflighted-view", {}, 401),
        ("OPTIONS", "/preflighted-view", {"Origin": "https://a", "Access-Control-Request-Method": "GET"}, 200),
        ("GET", "/preflighted-view", {"Origin": "https://a", "Access-Control-Request-Method": "GET"}, 401),
        ("GET", "/shelf", READER, 403),
        ("GET", "/shelf", WRITER, 200),
        ("OPTIONS", "/anything", {"Origin": "https://a", "Access-Control-Request-Method": "GET"}, 401),
    ],
)
async def test_each_route_gets_what_it_asks_for(
    method: str, path: str, headers: dict[str, str], expected: int, tmp_path: Path
) -> None:
    """A token by default; none, perhaps one, or one with a scope where the handler says so."""
    async with mounted(KEY, tmp_path) as session, session.request(method, path, headers=headers) as answer:
        assert expected == answer.status


async def test_an_optional_route_knows_who_calls(tmp_path: Path) -> None:
    """Anonymous without a token, known with one."""
    async with mounted(KEY, tmp_path) as session:
        found = [await (await session.get("/greeting", headers=headers)).json() for headers in ({}, READER)]

    assert [{"sub": None}, {"sub": "user-1"}] == found


async def test_credentials_of_another_scheme_are_nobodys_on_an_optional_route(tmp_path: Path) -> None:
    """A token whose scheme is spelled in another case is a token all the same."""
    basic = {"Authorization": "Basic eDp5"}
    respelled = {"Authorization": READER["Authorization"].replace("Bearer", "bEARER")}
    async with mounted(KEY, tmp_path) as session:
        found = [await (await session.get("/greeting", headers=headers)).json() for headers in (basic, respelled)]

    assert [{"sub": None}, {"sub": "user-1"}] == found


async def test_challenges_name_the_realm(tmp_path: Path) -> None:
    """The audience, unless another is given."""
    async with mounted(KEY, tmp_path, realm="inventory") as session, session.get("/writing", headers=READER) as answer:
        assert (
            'Bearer realm="inventory", error="insufficient_scope", scope="write", '
            f'resource_metadata="{AUDIENCE}/.well-known/oauth-protected-resource"'
        ) == answer.headers["WWW-Authenticate"]


async def test_a_scope_without_a_bearer_is_a_failure() -> None:
    """A check that nobody configured must not pass."""
    async with (
        serving(foreign_application()) as url,
        aiohttp.ClientSession(url) as session,
        session.get("/writing", headers=WRITER) as answer,
    ):
        assert 500 == answer.status


async def test_a_sub_application_can_be_guarded_alone(tmp_path: Path) -> None:
    """What lies outside it stays as it was."""
    outer, inner = foreign_application(), foreign_application()
    keys = write_keys(tmp_path / "keys.json", KEY)
    Bearer(issuer=ISSUER, audience=AUDIENCE, keys=keys, clock=Clock(NOW + 10)).mount(inner)
    outer.add_subapp("/api/", inner)
    async with serving(outer) as url, aiohttp.ClientSession(url) as session:
        statuses = [(await session.get(path, headers=h)).status for path, h in _PATHS]

    assert [200, 401, 200, 403] == statuses


async def test_one_bearer_is_kept_current_for_one_application(tmp_path: Path) -> None:
    """Two that run at once would share a follower, and the end of one would deafen the other; one after another may."""
    keys = write_keys(tmp_path / "keys.json", KEY)
    bearer = Bearer(issuer=ISSUER, audience=AUDIENCE, keys=keys)
    first, second = web.Application(), web.Application()
    bearer.mount(first)
    bearer.mount(second)
    async with serving(first):
        with pytest.raises(RuntimeError, match="mount a Bearer on one application"):
            async with serving(second):
                pass
    async with serving(second) as url, aiohttp.ClientSession(url) as session, session.get("/") as answer:
        assert 404 == answer.status


@pytest.mark.parametrize("how", ["mount", "attach"])
async def test_a_second_bearer_and_a_late_one_are_told(tmp_path: Path, how: str) -> None:
    """Before anything is changed: a token would be judged twice, or by nobody."""
    first, second, late = (
        Bearer(issuer=ISSUER, audience=AUDIENCE, keys=write_keys(tmp_path / "keys.json", KEY)) for _ in range(3)
    )
    app, started = web.Application(), web.Application()
    first.mount(app)
    with pytest.raises(RuntimeError, match="mounted already: one guard is enough"):
        getattr(second, how)(app)
    async with serving(started):
        with pytest.raises(RuntimeError, match="has started: mount"):
            getattr(late, how)(started)

    assert 1 == len(app.middlewares)


async def test_an_application_that_configures_no_logs_prints_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A refusal is a line of ``logging`` at debug level, not one on standard output that any stranger can add."""
    caplog.set_level("DEBUG", "dualtoken.resource_service")
    async with mounted(KEY, tmp_path) as session, session.get("/plain") as answer:
        assert 401 == answer.status

    assert ("", "") == tuple(capsys.readouterr())
    assert "request.refused" in caplog.text


_PATHS: list[tuple[str, dict[str, str]]] = [
    ("/plain", {}),
    ("/api/plain", {}),
    ("/api/plain", READER),
    ("/api/writing", READER),
]


async def test_guarded_routes_are_guarded_one_by_one(tmp_path: Path) -> None:
    """The other way to guard: only the routes that are given, and not the public ones of them."""
    app = web.Application()
    keys = write_keys(tmp_path / "keys.json", KEY)
    bearer = Bearer(issuer=ISSUER, audience=AUDIENCE, keys=keys, clock=Clock(NOW + 10))
    bearer.attach(app)
    app.add_routes(bearer.guarded([web.get("/a", plain), web.get("/b", status), web.get("/c", writing)]))
    app.add_routes([web.get("/d", plain)])
    async with serving(app) as url, aiohttp.ClientSession(url) as session:
        statuses = [(await session.get(path)).status for path in ("/a", "/b", "/c", "/d")]
        known = [(await session.get(path, headers=WRITER)).status for path in ("/a", "/b", "/c")]

    assert ([401, 200, 401, 200], [200, 200, 200]) == (statuses, known)


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("GET", {}, 200),
        ("GET", BAD, 200),
        ("PUT", {}, 401),
        ("PUT", READER, 200),
        ("DELETE", READER, 403),
        ("DELETE", WRITER, 200),
        ("PATCH", {}, 401),
    ],
)
async def test_the_methods_of_a_guarded_view_get_what_they_ask_for(
    method: str, headers: dict[str, str], expected: int, tmp_path: Path
) -> None:
    """As in an application that is guarded as a whole."""
    app = web.Application()
    keys = write_keys(tmp_path / "keys.json", KEY)
    bearer = Bearer(issuer=ISSUER, audience=AUDIENCE, keys=keys, clock=Clock(NOW + 10))
    bearer.attach(app)
    app.add_routes(bearer.guarded([web.view("/item", Item)]))
    async with (
        serving(app) as url,
        aiohttp.ClientSession(url) as session,
        session.request(method, "/item", headers=headers) as answer,
    ):
        assert expected == answer.status


@pytest.mark.parametrize("mark", [public, optional])
def test_a_class_cannot_be_marked(mark: Callable[[type], type]) -> None:
    """Whoever derives from it would inherit the mark unawares."""
    with pytest.raises(TypeError, match="mark the methods of Item"):
        mark(Item)


async def test_revocations_reach_a_foreign_application(tmp_path: Path) -> None:
    """The feed's news refuse the next request; until its first answer nobody is let in, and nobody logged out."""
    may_answer, asked_again = asyncio.Event(), asyncio.Event()

    async def revocations(request: web.Request) -> web.Response:
        assert "Bearer hush" == request.headers["Authorization"]
        if "after" in request.query:
            asked_again.set()
            await asyncio.Event().wait()
        await may_answer.wait()
        return web.json_response({"cursor": "c", "revoked": [{"sid": SID, "revoked_at": NOW, "reason": "logout"}]})

    feed = web.Application()
    feed.router.add_get("/revocations", revocations)
    async with serving(feed) as url:
        options = {"revocations_url": str(url / "revocations"), "service_secret": "hush"}
        async with mounted(KEY, tmp_path, feed_policy=FeedPolicy(stale="closed"), **options) as session:
            async with session.get("/plain", headers=READER) as before:
                assert (503, "1", "unavailable") == (
                    before.status,
                    before.headers["Retry-After"],
                    (await before.json())["error"],
                )
            may_answer.set()
            await asyncio.wait_for(asked_again.wait(), HANGS_S)
            async with session.get("/plain", headers=READER) as after:
                assert (401, {"error": "invalid_token", "error_description": "revoked"}) == (
                    after.status,
                    await after.json(),
                )
            async with session.get("/plain", headers=credentials(KEY.token(sid="another"))) as other:
                assert 200 == other.status


async def of_acme(predicate: Any, tmp_path: Path, **claims: Any) -> tuple[int, str | None, str]:
    """Call a route that asks *predicate*; return status, challenge and body."""

    @requires(predicate)
    async def guarded(_request: web.Request) -> web.Response:
        return web.Response(text="served")

    app = web.Application()
    app.router.add_get("/", guarded)
    keys = write_keys(tmp_path / "keys.json", KEY)
    Bearer(issuer=ISSUER, audience=AUDIENCE, keys=keys, clock=Clock(NOW + 10)).mount(app)
    headers = credentials(KEY.token(**claims))
    async with serving(app) as url, aiohttp.ClientSession(url) as session, session.get("/", headers=headers) as answer:
        return answer.status, answer.headers.get("WWW-Authenticate"), await answer.text()


@pytest.mark.parametrize(
    ("claims", "status"),
    [({"tenant": "acme"}, 200), ({"tenant": "globex"}, 403), ({}, 403), ({"tenant": None}, 403)],
)
async def test_a_route_may_ask_for_claims(claims: dict[str, Any], status: int, tmp_path: Path) -> None:
    """A predicate says which tokens are enough; a claim that is missing is not enough."""
    found = await of_acme(lambda claims: claims["tenant"] == "acme", tmp_path, **claims)

    assert status == found[0]
    if status == 403:
        assert 'error="insufficient_scope"' in (found[1] or "")
        assert "scope=" not in (found[1] or "").replace("insufficient_scope", "")


async def test_a_predicate_that_gives_no_verdict_serves_nobody(tmp_path: Path) -> None:
    """A coroutine or a set is true to Python, and no permission."""

    async def asynchronous(_claims: object) -> bool:
        return True

    for predicate in (lambda claims: claims.scopes & {"admin", "read"}, lambda _claims: 1, lambda _claims: None):
        assert 500 == (await of_acme(predicate, tmp_path))[0]
    with pytest.raises(TypeError, match="asynchronous"):
        requires(asynchronous)


@pytest.mark.parametrize("scope", ["", "read write", 'qu"ote', "back\\slash", "ü"])
def test_a_scope_that_is_none_is_named(scope: str) -> None:
    """At import, where the mistake is."""
    with pytest.raises(ValueError, match="not a scope"):
        requires(scope)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "exactly one of keys and jwks_url"),
        ({"keys": "a", "jwks_url": "https://a/"}, "exactly one of keys and jwks_url"),
        ({"jwks_url": "http://auth.example/"}, "https is needed"),
        ({"keys": "a", "revocations_url": "https://a/"}, "needs a service_secret"),
        ({"keys": "a", "realm": 'a"b'}, "realm must not hold quotes"),
        ({"keys": "a", "cache_mib": 0}, "cache_mib must be more than 0"),
    ],
)
def test_a_wrong_argument_is_named(options: dict[str, Any], problem: str) -> None:
    """Where it is given, not at the first request."""
    with pytest.raises(ValueError, match=problem):
        Bearer(issuer=ISSUER, audience=AUDIENCE, **options)


def test_the_middleware_needs_nothing_of_the_service_around_it() -> None:
    """Mounting it imports neither the demo's application nor its settings, logs or metrics."""
    import subprocess
    import sys

    from tests.resource_service.processes import REPOSITORY

    code = "import sys, resource_service.web.bearer; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    demo = {f"resource_service.{name}" for name in ("app", "settings", "web.home", "web.health", "web.measurements")}
    machinery = {f"dualtoken_serving.{name}" for name in ("logs", "process", "workers", "metrics", "connection")}

    assert set() == (demo | machinery) & set(run.stdout.split())
