"""``/users``: accounts, for the team's own backend."""

import json
from typing import Any

import pytest
from pydantic import SecretStr
from yarl import URL

from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import FAST_HASHER, PASSWORD, Auth
from tests.auth_service.web.backend_calls import (
    AUTHORIZED,
    BACKEND_SECRET,
    SERVICE_SECRET,
    SUB,
    call,
    logs_in,
    path_of,
    put,
    read,
)

NOBODY = {"email": "", "scope": "", "claims": {}, "disabled": False, "has_password": False}
CALLS = [("GET", "/users"), *((method, "/users/u-1") for method in ("GET", "PUT", "PATCH", "DELETE"))]


@pytest.fixture
async def auth(start_auth: StartAuth) -> Auth:
    """A service with both secrets."""
    return await start_auth(backend_secret=SecretStr(BACKEND_SECRET), service_secret=SecretStr(SERVICE_SECRET))


# Who may call


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_only_the_backend_secret_opens_the_users(auth: Auth, method: str, path: str) -> None:
    """Not a user's token, not the service secret, not a part of the secret, and not nothing."""
    token = (await auth.log_in())["access_token"]
    for secret in (token, SERVICE_SECRET, BACKEND_SECRET[:-1], BACKEND_SECRET + "x", BACKEND_SECRET.upper(), ""):
        headers = {"Authorization": f"Bearer {secret}"}
        response = await auth.client.request(method, path, headers=headers, json={})
        assert 401 == response.status
        assert not secret or "The secret" in (await response.json())["error_description"]
    assert 401 == (await auth.client.request(method, path, json={})).status
    assert [("u-1", "zs")] == auth.sql("SELECT id, username FROM users")


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_without_a_configured_secret_nobody_may(start_auth: StartAuth, method: str, path: str) -> None:
    """An empty secret opens nothing."""
    auth = await start_auth()
    for headers in ({}, {"Authorization": "Bearer "}, AUTHORIZED):
        assert 401 == (await auth.client.request(method, path, headers=headers, json={})).status


async def test_the_backend_secret_opens_nothing_else(auth: Auth) -> None:
    """Neither the calls of services nor those of users."""
    for method, path in (("POST", "/introspect"), ("GET", "/revocations"), ("GET", "/sessions"), ("POST", "/password")):
        response = await auth.client.request(method, path, headers=AUTHORIZED, json={"token": "x"})
        assert 401 == response.status


async def test_calls_are_counted(start_auth: StartAuth) -> None:
    """Beyond so many a minute they are refused, whatever they ask; strangers use nothing up."""
    auth = await start_auth(backend_secret=SecretStr(BACKEND_SECRET), backend_calls=3)
    for _ in range(5):
        await auth.client.get("/users", headers={"Authorization": "Bearer x"})
    answers = [await call(auth, "GET", "/users/u-1") for _ in range(4)]

    assert [200, 200, 200, 429] == [answer.status for answer in answers]
    assert "too_many_attempts" == answers[-1].body["error"]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


# Making and reading


async def test_a_user_is_made_under_the_callers_own_id(auth: Auth) -> None:
    """Whatever characters it has; nothing need be known of the user, who is then called as the id."""
    answer = await put(auth)

    assert (201, {"sub": SUB, "username": SUB, **NOBODY}) == (answer.status, answer.body)
    assert answer.body == (await call(auth, "GET", path_of(SUB))).body
    assert "no-store" == answer.headers["Cache-Control"]


async def test_all_members_are_kept(auth: Auth) -> None:
    """They are read as they were written, but for the password."""
    members = {"username": "lisi", "email": "lisi@example.org", "scope": "read", "claims": {"tenant": "北京"}}
    answer = await put(auth, **members, password=PASSWORD)

    assert {"sub": SUB, **members, "disabled": False, "has_password": True} == answer.body
    assert PASSWORD not in json.dumps(answer.body)
    assert await logs_in(auth, "lisi")


@pytest.mark.parametrize("sub", ["x", "x" * 255, "é" * 255, "-", "%", "a b", "{}", "…", "~", "a%2Fb", "用户", "a..b"])
async def test_an_id_is_taken_as_it_is(auth: Auth, sub: str) -> None:
    """1 to 255 characters; it comes back in the answer and as ``sub`` in tokens, in no other form."""
    assert (201, sub) == ((made := await put(auth, sub)).status, made.body["sub"])
    assert [(sub,)] == auth.sql("SELECT id FROM users WHERE id != 'u-1'")


@pytest.mark.parametrize("sub", ["x" * 256, "a\nb", "\x7f", "\x00"])
async def test_an_id_that_cannot_be_is_refused(auth: Auth, sub: str) -> None:
    """Too long, or with control characters."""
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert (400, "invalid_request") == (await call(auth, method, path_of(sub), {})).error


@pytest.mark.parametrize("name", ["a\nb", "a\x7fb", "a\x85b", "\x9b31m"])
async def test_a_name_with_control_characters_is_refused(auth: Auth, name: str) -> None:
    """C1's, too: U+0085 is a line break, and U+009B begins what terminals obey."""
    assert (400, "invalid_request") == (await put(auth, username=name)).error


@pytest.mark.parametrize("sub", ["a\x85b", "\N{DEVANAGARI LETTER QA}" * 128])
async def test_an_id_that_cannot_be_a_name_needs_one(auth: Auth, sub: str) -> None:
    """With C1's, or longer than a name in its normal form; what is read of a user can be written again."""
    nameless = [await put(auth, sub), await put(auth, sub, username=None)]
    named = await put(auth, sub, username="lisi")
    again = await put(auth, **{**named.body, "sub": sub})

    assert [(400, "invalid_request")] * 2 == [answer.error for answer in nameless]
    assert [(201, "lisi"), (200, "lisi")] == [(answer.status, answer.body["username"]) for answer in (named, again)]


@pytest.mark.parametrize("sub", ["%2E", "%2E%2E"])
async def test_an_id_that_paths_cannot_hold_is_refused(auth: Auth, sub: str) -> None:
    """Clients and proxies take these segments away, so that another user would be meant."""
    response = await auth.client.put(URL(f"/users/{sub}", encoded=True), headers=AUTHORIZED, json={})

    assert 400 == response.status


@pytest.mark.parametrize("sub", ["%FF%FE", "100%", "%zz", "a%2", "%%41", "%u0041"])
async def test_an_id_that_is_no_text_is_refused(auth: Auth, sub: str) -> None:
    """Bytes in the path that are no UTF-8, and a % that begins no escape, name nobody, and nobody is made of them."""
    response = await auth.client.put(URL(f"/users/{sub}", encoded=True), headers=AUTHORIZED, json={})

    assert 400 == response.status
    assert [("u-1",)] == auth.sql("SELECT id FROM users")


async def test_forms_of_one_letter_are_two_ids(auth: Auth) -> None:
    """An id is never normalised: it is the caller's key."""
    assert [201, 201] == [(await put(auth, sub, username=f"n{len(sub)}")).status for sub in ("é", "e\u0301")]


async def test_an_unknown_user_is_not_found(auth: Auth) -> None:
    """404 unknown_user, for whatever is asked of somebody who is not there."""
    for method, body in (("GET", None), ("PATCH", {}), ("DELETE", None)):
        assert (404, "unknown_user") == (await call(auth, method, path_of(SUB), body)).error


async def test_users_are_paged(auth: Auth) -> None:
    """``after`` of an answer goes into the next call, until it is null."""
    for number in range(5):
        await put(auth, f"s{number}")
    pages, after = [], ""
    while True:
        query = {"limit": "2", "after": after} if after else {"limit": "2"}
        answer = await read(await auth.client.get("/users", params=query, headers=AUTHORIZED))
        pages.append([user["sub"] for user in answer.body["users"]])
        if (after := answer.body["after"]) is None:
            break

    assert [["s0", "s1"], ["s2", "s3"], ["s4", "u-1"], []] == pages


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=1001", "limit=x", "limit=-1", "limit=", "limit=٣", "limit=1&limit=2",
        "after=%0A", "after=%ff", "after=a&after=b", "after=100%", "after=%zz",
    ],
)  # fmt: skip
async def test_a_page_that_cannot_be_is_named(auth: Auth, query: str) -> None:
    """A limit of 1 to 1000, an id; each once, as UTF-8."""
    response = await auth.client.get(URL(f"/users?{query}", encoded=True), headers=AUTHORIZED)

    assert (400, "invalid_request") == (await read(response)).error


# Changing


async def test_a_put_replaces_all_but_the_password(auth: Auth) -> None:
    """What is left out is as if nothing were known; a password is never told, so that nobody loses it by silence."""
    await put(auth, username="lisi", email="l@example.org", scope="read", claims={"a": 1}, password=PASSWORD)
    answer = await put(auth, username="lisi")

    assert (200, {"sub": SUB, "username": "lisi", **NOBODY, "has_password": True}) == (answer.status, answer.body)
    assert await logs_in(auth, "lisi")


async def test_a_patch_changes_what_it_names(auth: Auth) -> None:
    """Null is as in a PUT that leaves the member out; claims are replaced as a whole."""
    await put(auth, username="lisi", email="l@example.org", scope="read", claims={"a": 1, "b": 2})
    changes: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"scope": "read write"}, {"scope": "read write"}),
        ({"claims": {"c": 3}}, {"claims": {"c": 3}}),
        ({"email": None, "claims": None}, {"email": "", "claims": {}}),
        ({"disabled": True}, {"disabled": True}),
        ({"username": None, "disabled": None}, {"username": SUB, "disabled": False}),
        ({}, {}),
    ]
    expected = {"sub": SUB, **NOBODY, "username": "lisi", "email": "l@example.org", "scope": "read"}
    expected["claims"] = {"a": 1, "b": 2}
    for change, outcome in changes:
        expected |= outcome
        assert (200, expected) == ((answer := await call(auth, "PATCH", path_of(SUB), change)).status, answer.body)


async def test_a_password_is_taken_away_by_null(auth: Auth) -> None:
    """Whoever then has no password is not let in by any."""
    await put(auth, username="lisi", password=PASSWORD)
    answer = await call(auth, "PATCH", path_of(SUB), {"password": None})

    assert not answer.body["has_password"]
    assert not await logs_in(auth, "lisi")


async def test_a_hash_is_a_password(auth: Auth) -> None:
    """One that was made elsewhere opens the account."""
    await put(auth, username="lisi", password_hash=FAST_HASHER.hash("hunter2"))

    assert await logs_in(auth, "lisi", "hunter2")


@pytest.mark.parametrize(
    "members",
    [
        {"username": ""},
        {"username": "x" * 256},
        {"username": "a\nb"},
        {"username": 7},
        {"email": "nobody"},
        {"email": "a@b\n"},
        {"email": "x" * 251 + "@b.c"},
        {"email": ["a@b"]},
        {"scope": "two  blanks"},
        {"scope": 'q"'},
        {"scope": "x" * 1025},
        {"scope": ["read"]},
        {"claims": []},
        {"claims": "{}"},
        {"claims": {"sub": "somebody else"}},
        {"claims": {"exp": 4102444800}},
        {"claims": {"active": False}},
        {"claims": {"a": "x" * 2048}},
        {"claims": {"a": 2**53}},
        {"claims": {"a": [[[[[[[[[]]]]]]]]]}},
        {"disabled": "yes"},
        {"disabled": 1},
        {"password": "short"},
        {"password": "x" * 1025},
        {"password": "a" * 20},
        {"password": 12345678901234567890},
        {"password_hash": "hunter2"},
        {"password_hash": ""},
        {"password_hash": "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$"},
        {"password_hash": "$argon2id$v=19$m=4194304,t=3,p=4$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA"},
        {"password": PASSWORD, "password_hash": FAST_HASHER.hash("x")},
    ],
)
async def test_members_that_cannot_be_are_refused(auth: Auth, members: dict[str, Any]) -> None:
    """400, whoever is written; nothing is half done, and no password stands in the answer."""
    before = auth.sql("SELECT * FROM users")
    for method, path in (("PUT", path_of(SUB)), ("PUT", "/users/u-1"), ("PATCH", "/users/u-1")):
        answer = await call(auth, method, path, {"scope": "admin", **members})
        assert (400, "invalid_request") == answer.error
        assert PASSWORD not in json.dumps(answer.body)
    assert before == auth.sql("SELECT * FROM users")


async def test_a_name_that_another_has_is_refused(auth: Auth) -> None:
    """409 username_taken, also in another form of the same letters; nothing changes."""
    await put(auth, "other", username="é")
    for name in ("zs", "é", "e\u0301"):
        assert (409, "username_taken") == (await put(auth, username=name)).error
    assert 2 == len(auth.sql("SELECT id FROM users"))


async def test_a_body_that_is_none_is_refused(auth: Auth) -> None:
    """Malformed, twice the same member, of another type, too large."""
    for body, headers, status in (
        ("{", {}, 400),
        ('{"scope": "read", "scope": "admin"}', {}, 400),
        ('{"claims": {"a": 1, "a": 2}}', {}, 400),
        ("[]", {}, 400),
        ("{}", {"Content-Type": "text/plain"}, 415),
        ('{"x": "' + "x" * 17_000 + '"}', {}, 413),
    ):
        options = {"data": body, "headers": {**AUTHORIZED, "Content-Type": "application/json", **headers}}
        assert status == (await auth.client.put(path_of(SUB), **options)).status


# What the log tells


async def test_every_call_leaves_an_event(auth: Auth, capsys: pytest.CaptureFixture[str]) -> None:
    """Made, changed, read, listed, erased, refused: each with the address, none with what was written."""
    await put(auth, username="lisi", password=PASSWORD, claims={"tenant": "acme"})
    await call(auth, "PATCH", path_of(SUB), {"scope": "read"})
    await call(auth, "GET", path_of(SUB))
    await call(auth, "GET", "/users")
    await call(auth, "DELETE", path_of(SUB))
    await call(auth, "GET", path_of(SUB))
    told = capsys.readouterr().out
    events = ("user.created", "user.changed", "user.read", "users.listed", "user.erased", "backend.refused")

    assert [] == [event for event in events if 1 != told.count(event)]
    assert len(events) == told.count("ip=127.0.0.1")
    assert [] == [word for word in (PASSWORD, BACKEND_SECRET, "acme", "lisi") if word in told]


async def test_a_refused_secret_names_the_route_alone(auth: Auth, capsys: pytest.CaptureFixture[str]) -> None:
    """The event has no id of a user in it: strangers choose it."""
    await auth.client.get("/users/somebody", headers={"Authorization": "Bearer x"})
    told = capsys.readouterr().out

    assert "service.refused" in told
    assert "/users/{sub}" in told
    assert "somebody" not in told
