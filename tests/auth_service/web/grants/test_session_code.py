"""Session codes: a backend asks for one, the page of one origin exchanges it, once."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr
from structlog.testing import capture_logs

from dualtoken.auth_service.domain.models import Session, User
from dualtoken.auth_service.web.app_keys import SESSIONS
from tests.auth_service.conftest import StartAuth
from tests.auth_service.domain.dpop import ProofMaker
from tests.auth_service.running import PASSWORD, Auth
from tests.auth_service.web.backend_calls import BACKEND_SECRET, SUB, Answer, call, logs_in, path_of, put, read
from tests.auth_service.web.grants.presenting import rows
from tests.auth_service.web.test_claims import claims_in

GRANT = "urn:dualtoken:session-code"
ORIGIN, OTHER = "https://app.example", "https://other.example"
OLDER_HASHER = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1)  # a log-in replaces its hashes


@pytest.fixture
async def auth(start_auth: StartAuth) -> Auth:
    """A service with a backend, two pages, and a user who has no password."""
    auth = await start_auth(backend_secret=SecretStr(BACKEND_SECRET), cors_origins=(ORIGIN, OTHER))
    assert 201 == (await put(auth, SUB, scope="read write", email="zs@example.org")).status
    return auth


async def code_of(auth: Auth, **members: object) -> str:
    """Return a code that the backend gets."""
    answer = await call(auth, "POST", "/sessions", {"sub": SUB, "origin": ORIGIN, **members})
    assert (201, 60, "no-store") == (answer.status, answer.body["expires_in"], answer.headers["Cache-Control"])
    return str(answer.body["code"])


async def exchange(auth: Auth, code: str, origin: str | None = ORIGIN, **headers: str) -> Answer:
    """Exchange a code as a page does."""
    sent = {**({"Origin": origin} if origin else {}), **headers}
    return await read(await auth.client.post("/token", json={"grant_type": GRANT, "code": code}, headers=sent))


async def test_a_page_exchanges_a_code_for_a_session(auth: Auth) -> None:
    """The refresh token comes in a cookie alone; each token tells how the user was authenticated."""
    answer = await exchange(auth, await code_of(auth, amr=["hwk"], auth_time=1_700_000_000, scope="read"))
    claims = claims_in(answer.body)

    assert (200, False) == (answer.status, "refresh_token" in answer.body)
    assert auth.settings.refresh_cookie in answer.headers["Set-Cookie"]
    assert (SUB, "read", ["hwk"], 1_700_000_000) == tuple(claims[name] for name in ("sub", "scope", "amr", "auth_time"))


async def test_no_session_is_opened_before_the_page_has_it(auth: Auth) -> None:
    """And the code tells nobody whose it is."""
    code = await code_of(auth)

    assert [1, 0, 0] == rows(auth)
    assert SUB not in code
    assert code != await code_of(auth)


async def test_a_code_that_comes_again_ends_its_session(auth: Auth) -> None:
    """Somebody has read it: whichever of both was first. Another spelling of it is the same code."""
    code = await code_of(auth)
    first = await exchange(auth, code)
    with capture_logs() as logs:
        again = await exchange(auth, code)
    respelt = await exchange(auth, f"{code}=")
    reasons = auth.sql("SELECT revoked_reason FROM sessions")

    assert (200, 400) == (first.status, again.status)
    assert ("invalid_grant", "replayed", "replayed") == (
        again.body["error"],
        again.body["reason"],
        respelt.body["reason"],
    )
    assert [("reuse",)] == reasons
    assert {"session_code.refused", "session.revoked"} <= {line["event"] for line in logs}
    assert code not in str(logs)


async def test_of_many_exchanges_at_once_one_opens_a_session(auth: Auth) -> None:
    """And it ends, since the others came as well: the one may hear of that before it is answered."""
    code = await code_of(auth)
    answers = await asyncio.gather(*(exchange(auth, code) for _ in range(8)))
    refused = [answer for answer in answers if answer.status == 400]

    assert len(refused) in (7, 8)
    assert {"replayed"} == {answer.body["reason"] for answer in refused}
    assert [1, 1, 1] == rows(auth)
    assert [("reuse",)] == auth.sql("SELECT revoked_reason FROM sessions")


async def test_a_code_that_comes_again_before_its_first_answer_is_answered_to_nobody(
    auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session had ended when its tokens were to be made."""
    code = await code_of(auth)
    store = auth.client.app[SESSIONS]._store
    find, others = store.find_session, []

    async def find_later(session_id: str) -> Session | None:
        monkeypatch.undo()
        others.append(await exchange(auth, code))
        return await find(session_id)

    monkeypatch.setattr(store, "find_session", find_later)
    first = await exchange(auth, code)

    assert [(400, "replayed")] * 2 == [(answer.status, answer.body["reason"]) for answer in (first, *others)]


async def test_a_code_counts_for_a_minute(auth: Auth) -> None:
    """Then it is expired, and opens nothing."""
    late, in_time = await code_of(auth), await code_of(auth)
    auth.clock.advance(59)
    good = await exchange(auth, in_time)
    auth.clock.advance(1)
    expired = await exchange(auth, late)

    assert (200, "expired") == (good.status, expired.body["reason"])


async def test_a_code_is_for_pages_of_one_origin(auth: Auth) -> None:
    """Another listed one is refused, as is what is no page; the code stays good for its own."""
    code = await code_of(auth)
    other = await exchange(auth, code, OTHER)
    none = await exchange(auth, code, None)
    same_origin = await exchange(auth, code, None, **{"Sec-Fetch-Site": "same-origin"})

    assert (400, "origin") == (other.status, other.body["reason"])
    assert (400, "invalid_request") == none.error
    assert (400, "origin") == (same_origin.status, same_origin.body["reason"])
    assert 200 == (await exchange(auth, code)).status


@pytest.mark.parametrize("code", ["x", "dtc1_", "dtc1_é", "dtc1_" + "A" * 200, "dtr1_" + "A" * 56, ""])
async def test_a_forged_code_is_refused(auth: Auth, code: str) -> None:
    """Before any database work."""
    answer = await exchange(auth, code)

    assert answer.error in {(400, "invalid_grant"), (400, "invalid_request")}
    assert [1, 0, 0] == rows(auth)


async def test_what_happened_to_the_user_meanwhile_counts(auth: Auth) -> None:
    """Disabled, erased, with less scope: nothing is opened."""
    disabled, narrowed, erased = [await code_of(auth, scope="read write") for _ in range(3)]
    await call(auth, "PATCH", path_of(SUB), {"scope": "read"})
    narrow = await exchange(auth, narrowed)
    await call(auth, "PATCH", path_of(SUB), {"scope": "read write", "disabled": True})
    refused = [await exchange(auth, disabled)]
    await call(auth, "DELETE", path_of(SUB))
    refused.append(await exchange(auth, erased))

    assert (400, "invalid_scope") == narrow.error
    assert ["user_disabled", "unknown_user"] == [answer.body["reason"] for answer in refused]
    assert [(0,)] == auth.sql("SELECT count(*) FROM sessions")


async def test_a_new_password_ends_what_was_begun_with_the_old(auth: Auth) -> None:
    """Whoever set it, and whether there was one before; the same hash once more, and a log-in, change nothing."""
    old, new = (OLDER_HASHER.hash(password) for password in (PASSWORD, PASSWORD[::-1]))
    await put(auth, SUB, username="guo", scope="read")
    changes: list[Callable[[], Awaitable[object]]] = [
        lambda: put(auth, SUB, username="guo", scope="read", password_hash=old),
        lambda: put(auth, SUB, username="guo", scope="read", password_hash=old),
        lambda: logs_in(auth, "guo"),
        lambda: call(auth, "PATCH", path_of(SUB), {"password_hash": new}),
        lambda: call(auth, "PATCH", path_of(SUB), {"password_hash": None}),
    ]
    said = []
    for change in changes:
        code = await code_of(auth)
        await change()
        answer = await exchange(auth, code)
        said.append(answer.body.get("reason", answer.status))

    assert ["password_changed", 200, 200, "password_changed", "password_changed"] == said


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"sub": "nobody"}, (404, "unknown_user")),
        ({"scope": "admin"}, (400, "invalid_scope")),
        ({"origin": "https://evil.example"}, (400, "invalid_request")),
        ({"origin": "https://app.example/path"}, (400, "invalid_request")),
        ({"origin": 7}, (400, "invalid_request")),
        ({"jkt": ProofMaker().jkt}, (400, "invalid_request")),
    ],
)
async def test_codes_that_no_page_could_exchange_are_not_made(
    auth: Auth, members: dict[str, object], expected: tuple[int, str]
) -> None:
    """The backend is told at once."""
    answer = await call(auth, "POST", "/sessions", {"sub": SUB, "origin": ORIGIN, **members})

    assert expected == answer.error


async def test_the_backend_is_told_of_a_disabled_user(auth: Auth) -> None:
    """Not the page, a minute later."""
    await put(auth, SUB, disabled=True)

    assert (403, "user_disabled") == (await call(auth, "POST", "/sessions", {"sub": SUB, "origin": ORIGIN})).error


async def test_the_page_binds_the_session_to_its_key(auth: Auth) -> None:
    """By the proof that it sends with the code."""
    maker = ProofMaker()
    proof = maker.proof(auth.clock.now, htu="https://auth.example/token")
    answer = await exchange(auth, await code_of(auth), DPoP=proof)

    assert (200, True) == (answer.status, answer.body["bound"])
    assert [(maker.jkt,)] == auth.sql("SELECT jkt FROM sessions")


async def test_without_a_backend_the_grant_is_not_served(start_auth: StartAuth, user: User) -> None:
    """Nobody could have a code."""
    auth = await start_auth(cors_origins=(ORIGIN,))

    assert (400, "unsupported_grant_type") == (await exchange(auth, "dtc1_x")).error
    assert user.id
