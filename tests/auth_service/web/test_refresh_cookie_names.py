"""The names of refresh cookies: of several log-ins, installations and releases in one browser."""

import pytest

from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import Auth
from tests.auth_service.web.cookie_calls import (
    LOGIN,
    NAME,
    OLD_NAME,
    OTHER_ISSUER,
    OURS,
    PAGE,
    error,
    jar,
    log_in,
    name_of,
    with_cookies,
)


@pytest.fixture
async def auth(start_auth: StartAuth) -> Auth:
    """A running service that knows one page."""
    return await start_auth(cors_origins=(PAGE,))


@pytest.mark.parametrize("refused", [False, True])
async def test_a_log_in_under_a_new_name_outlasts_an_older_answer(auth: Auth, *, refused: bool) -> None:
    """An older refresh's answer that arrives last, a token or a refusal, leaves the newer log-in's cookie in place."""
    before = jar(await auth.post("/login", LOGIN, headers=OURS), {})
    if refused:
        await with_cookies(auth, "/logout", before)
    late = await with_cookies(auth, "/refresh", before)
    login = await with_cookies(auth, "/login", before, json={**LOGIN, "cookie": "new"})
    newest = jar(login, before)
    mixed = jar(late, newest)
    response = await with_cookies(auth, "/refresh", mixed)

    assert [400 if refused else 200, 200, 200] == [late.status, login.status, response.status]
    assert 1 == len(newest)
    assert [NAME] != list(newest)
    assert (await login.json())["userInfo"] == (await response.json())["userInfo"]
    assert set(newest) == set(jar(response, mixed))
    assert {(0,), (1,)} if refused else {(1,)} == set(auth.sql("SELECT generation FROM sessions"))


async def test_names_of_log_ins_sort_by_their_order(auth: Auth) -> None:
    """While a cookie with a name of its own is there, the next log-in takes a later one, whether it asks or not."""
    held: dict[str, str] = {}
    names = []
    for cookie in (True, "new", "new", True):
        held = jar(await with_cookies(auth, "/login", held, json={**LOGIN, "cookie": cookie}), held)
        names.extend(held)

    assert 4 == len(set(names))
    assert names == sorted(names)
    assert {} == jar(await with_cookies(auth, "/logout", held), held)


async def test_two_installations_on_one_host_keep_their_own(start_auth: StartAuth) -> None:
    """A browser sends both cookies to both, which read, replace and drop their own alone."""
    one, other = await start_auth(cors_origins=(PAGE,)), await start_auth(cors_origins=(PAGE,), issuer=OTHER_ISSUER)
    held = jar(await one.post("/login", LOGIN, headers=OURS), {})
    held = jar(await with_cookies(other, "/login", held, json=LOGIN), held)
    for auth in (one, other, one, other):
        answer = await with_cookies(auth, "/refresh", held)
        held = jar(answer, held)
        assert 200 == answer.status
    held = jar(await with_cookies(one, "/logout", held), held)

    assert [name_of(OTHER_ISSUER)] == list(held)
    assert 200 == (await with_cookies(other, "/refresh", held)).status


async def test_the_operator_may_name_the_cookie(start_auth: StartAuth) -> None:
    """AUTH_COOKIE_NAME stands in place of the issuer's digest, so that an issuer that moves keeps its cookies."""
    auth = await start_auth(cors_origins=(PAGE,), cookie_name="shop", issuer=OTHER_ISSUER)

    assert ["__Host-Http-shop"] == list(jar(await auth.post("/login", LOGIN, headers=OURS), {}))


@pytest.mark.parametrize("ending", ["", "-0123456789ab"])
async def test_a_cookie_of_an_older_release_goes_on(auth: Auth, ending: str) -> None:
    """It is read for as long as its token lives; the successor comes under today's name, and the old one is dropped."""
    before = {OLD_NAME + ending: await log_in(auth)}
    response = await with_cookies(auth, "/refresh", before)
    after = jar(response, before)

    assert 200 == response.status
    assert [NAME + ending] == list(after)
    assert 200 == (await with_cookies(auth, "/refresh", after)).status


async def test_a_log_out_leaves_no_older_cookie_behind(auth: Auth) -> None:
    """Else the page would be the older session's again."""
    held = {OLD_NAME: await log_in(auth)}
    held = jar(await with_cookies(auth, "/login", held, json=LOGIN), held)

    assert [NAME] == list(held)
    assert {} == jar(await with_cookies(auth, "/logout", {**held, OLD_NAME: await log_in(auth)}), held)


@pytest.mark.parametrize("path", ["/refresh", "/logout"])
async def test_an_older_cookie_of_another_installation_is_let_be(auth: Auth, path: str) -> None:
    """Its token was not made here: it is neither read nor dropped."""
    foreign = {OLD_NAME: f"dtr1_{'A' * 56}"}
    alone = await with_cookies(auth, path, foreign)
    beside = await with_cookies(auth, path, {**foreign, NAME: await log_in(auth)})

    assert (400, "invalid_request", "no_token") == await error(alone)
    assert foreign == jar(alone, foreign)
    assert 200 == beside.status
    assert foreign.items() <= jar(beside, foreign).items()
