"""Two backends that change one user: entity tags and conditions (RFC 9110 §13.1)."""

import asyncio

import pytest
from pydantic import SecretStr

from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import FAST_HASHER, PASSWORD, Auth
from tests.auth_service.web.backend_calls import (
    AUTHORIZED,
    BACKEND_SECRET,
    SERVICE_SECRET,
    SUB,
    call,
    path_of,
    put,
)


@pytest.fixture
async def auth(start_auth: StartAuth) -> Auth:
    """A service with both secrets."""
    return await start_auth(backend_secret=SecretStr(BACKEND_SECRET), service_secret=SecretStr(SERVICE_SECRET))


async def test_a_change_of_what_somebody_else_changed_is_refused(auth: Auth) -> None:
    """412 where the entity tag is an older one; a good one is that of the answer before."""
    first = await put(auth, scope="read")
    second = await call(auth, "PATCH", path_of(SUB), {"scope": "read write"}, If_Match=first.headers["ETag"])
    late = await call(auth, "PATCH", path_of(SUB), {"scope": "admin"}, If_Match=first.headers["ETag"])
    erased = await call(auth, "DELETE", path_of(SUB), If_Match=first.headers["ETag"])

    assert [200, 412, 412] == [second.status, late.status, erased.status]
    assert "precondition_failed" == late.body["error"]
    assert "read write" == (await call(auth, "GET", path_of(SUB))).body["scope"]
    assert 204 == (await call(auth, "DELETE", path_of(SUB), If_Match=second.headers["ETag"])).status


@pytest.mark.parametrize(
    "change",
    [
        {"username": "n"},
        {"email": "a@b"},
        {"scope": "s"},
        {"claims": {"a": 1}},
        {"disabled": True},
        {"password": PASSWORD},
    ],
)
async def test_any_change_is_another_entity(auth: Auth, change: dict[str, object]) -> None:
    """A new password is one, too, though it is not told."""
    before = (await put(auth)).headers["ETag"]
    after = (await call(auth, "PATCH", path_of(SUB), change)).headers["ETag"]

    assert before != after
    assert after == (await call(auth, "GET", path_of(SUB))).headers["ETag"]


@pytest.mark.parametrize(
    ("condition", "there", "status"),
    [
        ({"If_None_Match": "*"}, False, 201),
        ({"If_None_Match": "*"}, True, 412),
        ({"If_Match": "*"}, True, 200),
        ({"If_Match": "*"}, False, 412),
        ({"If_Match": '"x"'}, True, 412),
        ({"If_Match": "x"}, True, 412),
        ({"If_Match": ""}, True, 412),
        ({"If_None_Match": '"x"'}, True, 400),
        ({"If_None_Match": '*, "x"'}, True, 400),
        ({"If_None_Match": "*", "If_Match": '"x"'}, False, 412),
        ({"If_None_Match": "*", "If_Match": "*"}, False, 412),
        ({"If_None_Match": "*", "If_Match": "*"}, True, 412),
        ({"If_Match": '*, "x"'}, True, 412),
    ],
)
async def test_conditions_of_a_put(auth: Auth, condition: dict[str, str], there: bool, status: int) -> None:
    """Only if there is none, only if there is one, only if it is this one; what is no condition is never a yes."""
    if there:
        await put(auth)

    assert status == (await call(auth, "PUT", path_of(SUB), {}, **condition)).status


@pytest.mark.parametrize(("password", "status"), [("hunter2", 400), ("hunter3", 400), (PASSWORD, 412)])
async def test_making_a_user_who_is_there_tells_nothing_of_the_password(auth: Auth, password: str, status: int) -> None:
    """A sign-up may pass on what a stranger types: its answer is that for nobody, and no guess is verified."""
    await put(auth, password_hash=FAST_HASHER.hash("hunter2"))
    answer = await call(auth, "PUT", path_of(SUB), {"password": password}, If_None_Match="*")

    assert (status, 0) == (answer.status, auth.hasher.verified)


async def test_a_weak_or_listed_tag(auth: Auth) -> None:
    """A list holds if one of it does, with empty elements, too (§5.6.1.2); a weak tag never does (RFC 9110 §13.1.1)."""
    tag = (await put(auth)).headers["ETag"]
    conditions = (f'"x", {tag}', f',{tag},, "y"', f'"a b",{tag}', f"W/{tag}", tag.strip('"'))
    answers = [await call(auth, "PATCH", path_of(SUB), {}, If_Match=condition) for condition in conditions]

    assert [200, 200, 200, 412, 412] == [answer.status for answer in answers]


async def test_a_list_of_several_lines(auth: Auth) -> None:
    """One header is as good in several lines (RFC 9110 §5.3)."""
    tag = (await put(auth)).headers["ETag"]
    headers = [*AUTHORIZED.items(), ("If-Match", '"x"'), ("If-Match", tag)]
    response = await auth.client.patch(path_of(SUB), headers=headers, json={})

    assert 200 == response.status


async def test_of_two_at_once_one_is_told(auth: Auth) -> None:
    """Two backends that change one user from the same state: one does, the other hears of it."""
    tag = (await put(auth)).headers["ETag"]
    both = await asyncio.gather(
        *(call(auth, "PATCH", path_of(SUB), {"scope": scope}, If_Match=tag) for scope in ("a", "b"))
    )

    assert [200, 412] == sorted(answer.status for answer in both)
