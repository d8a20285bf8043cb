"""The grant jwt-bearer (RFC 7523 §2.1): assertions of an issuer on loopback, and all that is wrong with some."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr
from structlog.testing import capture_logs

from dualtoken.auth_service.domain.jwk import new_jwk, public_jwk
from tests.auth_service.attempts import stop_time
from tests.auth_service.conftest import StartAuth
from tests.auth_service.domain.dpop import ProofMaker
from tests.auth_service.issuers import AUDIENCE, GRANT, SUB, Issuer, write_issuers
from tests.auth_service.running import START_MS, Auth
from tests.auth_service.web.backend_calls import BACKEND_SECRET, call, path_of, put
from tests.auth_service.web.grants.presenting import present, rows
from tests.auth_service.web.test_claims import claims_in


async def test_an_assertion_opens_a_session(auth: Auth, issuer: Issuer) -> None:
    """For a user who is made by it; the pair of tokens is like that of a log-in, and rotates like any other."""
    answer = await present(auth, issuer.assertion())
    claims = claims_in(answer.body)

    assert (200, "no-store") == (answer.status, answer.headers["Cache-Control"])
    assert (f"{issuer.url}|{SUB}", "read write") == (claims["sub"], claims["scope"])
    assert [1, 1, 1] == rows(auth)
    assert await auth.rotate(answer.body["refresh_token"])


async def test_a_json_body_will_do(auth: Auth, issuer: Issuer) -> None:
    """As for every other call."""
    answer = await auth.post("/token", {"grant_type": GRANT, "assertion": issuer.assertion(), "scope": "read"})

    assert (200, "read") == (answer.status, (await answer.json())["scope"])


@pytest.mark.parametrize(
    "typ",
    [
        None,
        "JWT",
        "jwt",
        "application/jwt",
        "Application/JWT",
        "authorization-grant+jwt",
        "application/authorization-grant+jwt",
    ],
)
async def test_a_type_may_be_written_in_any_of_its_forms(auth: Auth, issuer: Issuer, typ: str | None) -> None:
    """With and without what stands before the slash, in any case, or not at all (RFC 7515 §4.1.9)."""
    answer = await present(auth, issuer.sign(issuer.header(typ=typ), issuer.claims()))

    assert 200 == answer.status


async def test_a_claim_of_null_is_as_left_out(auth: Auth, issuer: Issuer) -> None:
    """Some libraries write what a token has not."""
    absent = dict.fromkeys(("nbf", "auth_time", "amr", "typ", "email"))
    answer = await present(auth, issuer.sign(issuer.header(), {**issuer.claims(), **absent}))

    assert (200, START_MS // 1000) == (answer.status, claims_in(answer.body)["auth_time"])


async def test_each_token_tells_how_the_user_was_authenticated(auth: Auth, issuer: Issuer) -> None:
    """``auth_time`` and ``amr`` are the assertion's, also after a refresh; else it was at ``iat`` at the latest."""
    told = await present(auth, issuer.assertion(auth_time=1_700_000_000.5, amr=["pwd", "otp"]))
    _, refreshed = await auth.refresh(told.body["refresh_token"])
    silent = await present(auth, issuer.assertion(iat=START_MS // 1000 - 60, amr="pwd"))

    assert (1_700_000_000, ["pwd", "otp"]) == (claims_in(refreshed)["auth_time"], claims_in(refreshed)["amr"])
    assert (START_MS // 1000 - 60, None) == (claims_in(silent.body)["auth_time"], claims_in(silent.body).get("amr"))


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"email": "a@example.org", "email_verified": True}, "a@example.org"),
        ({"email": "a@example.org", "email_verified": "true"}, "a@example.org"),
        ({"email": "a@example.org", "email_verified": False}, ""),
        ({"email": "a@example.org", "email_verified": 1}, ""),
        ({"email": "a@example.org"}, ""),
        ({"email_verified": True}, ""),
    ],
)
async def test_an_address_counts_once_it_is_verified(
    auth: Auth, issuer: Issuer, claims: dict[str, Any], expected: str
) -> None:
    """Else whoever types somebody's address there would have it here."""
    answer = await present(auth, issuer.assertion(**claims))

    assert {"username": f"{issuer.url}|{SUB}", "email": expected} == answer.body["userInfo"]


async def test_a_user_is_made_once(auth: Auth, issuer: Issuer) -> None:
    """What the backend changes afterwards stays: later assertions change nothing of an account."""
    first = await present(auth, issuer.assertion(jti="1"))
    sub = claims_in(first.body)["sub"]
    await call(auth, "PATCH", path_of(sub), {"scope": "admin", "username": "seven"})
    second = claims_in((await present(auth, issuer.assertion(jti="2"))).body)

    assert (sub, "seven", "admin") == (second["sub"], second["username"], second["scope"])
    assert [1, 2, 2] == rows(auth)


async def test_users_may_have_to_be_known(start_auth: StartAuth, issuer: Issuer, tmp_path: Path) -> None:
    """Where the entry refuses unknown ones, the backend makes the account first."""
    entry = {"issuer": issuer.url, "audience": ["x", AUDIENCE], "algorithms": ["ES256"], "prefix": "company|"}
    auth = await start_auth(trusted_issuers=write_issuers(tmp_path, entry), backend_secret=SecretStr(BACKEND_SECRET))
    refused, after = await present(auth, issuer.assertion()), rows(auth)
    await put(auth, f"company|{SUB}", scope="read")
    opened = await present(auth, issuer.assertion())

    assert (400, "invalid_grant", "unknown_user") == (*refused.error, refused.body["reason"])
    assert [0, 0, 0] == after
    assert (f"company|{SUB}", "read") == (claims_in(opened.body)["sub"], opened.body["scope"])


async def test_a_claim_may_name_the_user(start_auth: StartAuth, issuer: Issuer, tmp_path: Path) -> None:
    """A name that another user has makes nobody; nor does a missing one."""
    auth = await start_auth(trusted_issuers=write_issuers(tmp_path, issuer.entry(username="preferred_username")))
    named = await present(auth, issuer.assertion(preferred_username="seven"))
    taken = await present(auth, issuer.assertion(sub="8", preferred_username="zs"))
    missing = await present(auth, issuer.assertion(sub="9"))

    assert "seven" == named.body["userInfo"]["username"]
    assert (400, "username_taken") == (taken.status, taken.body["reason"])
    assert (400, "incomplete") == (missing.status, missing.body["reason"])
    assert [1, 1, 1] == rows(auth)


async def test_an_assertion_is_good_once(auth: Auth, issuer: Issuer) -> None:
    """However often, and by whatever other signature over the same words, it is presented."""
    assertion = issuer.assertion()
    first = await present(auth, assertion)
    again = await present(auth, assertion)
    respelt = await present(auth, issuer.sign(issuer.header(), issuer.claims()))

    assert [200, 400, 400] == [first.status, again.status, respelt.status]
    assert ("replayed", "replayed") == (again.body["reason"], respelt.body["reason"])
    assert [1, 1, 1] == rows(auth)
    assert await auth.rotate(first.body["refresh_token"])


async def test_of_many_presentations_at_once_one_is_good(auth: Auth, issuer: Issuer) -> None:
    """The primary key decides."""
    assertion = issuer.assertion()
    answers = await asyncio.gather(*(present(auth, assertion) for _ in range(16)))

    assert [200, *[400] * 15] == sorted(answer.status for answer in answers)
    assert [1, 1, 1] == rows(auth)


async def test_an_erased_user_does_not_come_back_by_a_replay(auth: Auth, issuer: Issuer) -> None:
    """What is spent makes nobody."""
    assertion = issuer.assertion()
    sub = claims_in((await present(auth, assertion)).body)["sub"]
    await call(auth, "DELETE", path_of(sub))

    assert "replayed" == (await present(auth, assertion)).body["reason"]
    assert 404 == (await call(auth, "GET", path_of(sub))).status


async def test_a_disabled_user_stays_out(auth: Auth, issuer: Issuer) -> None:
    """Whatever the issuer says; and the assertion is not spent."""
    sub = claims_in((await present(auth, issuer.assertion(jti="1"))).body)["sub"]
    await call(auth, "PATCH", path_of(sub), {"disabled": True})
    refused = await present(auth, issuer.assertion(jti="2"))

    assert (400, "invalid_grant", "user_disabled") == (*refused.error, refused.body["reason"])
    assert [1, 1, 1] == rows(auth)


async def test_more_scope_than_the_users_opens_nothing(auth: Auth, issuer: Issuer) -> None:
    """And makes nobody; the same assertion, asked for less, is good."""
    assertion = issuer.assertion()
    refused = await present(auth, assertion, scope="read admin")
    after = rows(auth)
    narrow = await present(auth, assertion, scope="read")
    _, refreshed = await auth.refresh(narrow.body["refresh_token"])

    assert (400, "invalid_scope") == refused.error
    assert [0, 0, 0] == after
    assert "read" == narrow.body["scope"] == refreshed["scope"]


@pytest.mark.parametrize("fields", [{}, {"assertion": ""}, {"assertion": 7}, {"assertion": "x", "scope": '"'}])
async def test_a_request_must_be_whole(auth: Auth, fields: dict[str, object]) -> None:
    """RFC 6749 §5.2."""
    answer = await auth.post("/token", {"grant_type": GRANT, **fields})

    assert (400, "invalid_request") == (answer.status, (await answer.json())["error"])


async def test_the_session_is_bound_to_a_key_that_is_proven(auth: Auth, issuer: Issuer) -> None:
    """As at a log-in: from then on a refresh asks for a proof; and what the assertion is bound to must be that key."""
    maker = ProofMaker()
    proof = maker.proof(auth.clock.now, htu="https://auth.example/token")
    opened = await present(auth, issuer.assertion(cnf={"jkt": maker.jkt}), {"DPoP": proof})
    _, refused = await auth.refresh(opened.body["refresh_token"])
    bad = await present(
        auth, issuer.assertion(jti="2"), {"DPoP": maker.proof(auth.clock.now, htu="https://x.example/")}
    )

    assert (200, "invalid_dpop_proof", "unproven") == (opened.status, refused["error"], refused["reason"])
    assert (400, "invalid_dpop_proof") == bad.error
    assert [1, 1, 1] == rows(auth)


async def test_where_keys_are_required_an_assertion_alone_opens_nothing(
    start_auth: StartAuth, issuer: Issuer, tmp_path: Path
) -> None:
    """``AUTH_DPOP=required`` knows no back door."""
    auth = await start_auth(trusted_issuers=write_issuers(tmp_path, issuer.entry()), dpop="required")

    assert (400, "invalid_dpop_proof") == (await present(auth, issuer.assertion())).error


async def test_a_page_may_have_the_refresh_token_in_a_cookie(
    start_auth: StartAuth, issuer: Issuer, tmp_path: Path
) -> None:
    """As at a log-in: a page of ours, and no other."""
    origin = "https://app.example"
    auth = await start_auth(trusted_issuers=write_issuers(tmp_path, issuer.entry()), cors_origins=(origin,))
    opened = await present(auth, issuer.assertion(), {"Origin": origin}, cookie="true")
    foreign = await present(auth, issuer.assertion(jti="2"), cookie="true")

    assert auth.settings.refresh_cookie in opened.headers["Set-Cookie"]
    assert "refresh_token" not in opened.body
    assert (400, "invalid_request") == foreign.error


async def test_refused_assertions_are_limited_by_address(
    start_auth: StartAuth, issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They count with the failed log-ins of their address; good ones do not count."""
    stop_time(monkeypatch)
    auth = await start_auth(trusted_issuers=write_issuers(tmp_path, issuer.entry()), login_failures=1)
    for number in range(20):
        assert 200 == (await present(auth, issuer.assertion(jti=f"good {number}"))).status
    refused = [(await present(auth, "x")).status for _ in range(10)]
    throttled = await present(auth, issuer.assertion(jti="late"))

    assert [400] * 10 == refused
    assert (429, "too_many_attempts") == throttled.error
    assert "Retry-After" in throttled.headers


async def test_sessions_of_one_user_are_limited(
    start_auth: StartAuth, issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As successful log-ins are: sixty times the failures that a name may have."""
    stop_time(monkeypatch)
    auth = await start_auth(trusted_issuers=write_issuers(tmp_path, issuer.entry()), login_failures=1)
    opened = [(await present(auth, issuer.assertion(jti=f"{number}"))).status for number in range(60)]
    throttled = await present(auth, issuer.assertion(jti="late"))
    other = await present(auth, issuer.assertion(sub="another user"))

    assert [200] * 60 == opened
    assert (429, "too_many_attempts") == throttled.error
    assert 200 == other.status


async def test_without_issuers_the_grant_is_not_served(start_auth: StartAuth) -> None:
    """The metadata does not list it, and the endpoint says what is served."""
    auth = await start_auth()
    answer = await present(auth, "x")
    metadata = await (await auth.client.get("/.well-known/oauth-authorization-server")).json()

    assert (400, "unsupported_grant_type") == answer.error
    assert ["refresh_token"] == metadata["grant_types_supported"]


async def test_the_metadata_lists_the_grant(auth: Auth) -> None:
    """RFC 8414 §2."""
    metadata = await (await auth.client.get("/.well-known/oauth-authorization-server")).json()

    assert ["refresh_token", GRANT, "urn:dualtoken:session-code"] == metadata["grant_types_supported"]


async def test_keys_that_cannot_be_had_open_nothing(auth: Auth, issuer: Issuer) -> None:
    """503, told to come back; the same assertion is good once they can be."""
    issuer.answer = web.Response(status=500)
    assertion = issuer.assertion()
    with capture_logs() as logs:
        refused = await present(auth, assertion)
    after = rows(auth)
    issuer.answer = None
    opened = await present(auth, assertion)

    assert (503, "issuer_unavailable") == refused.error
    assert "5" == refused.headers["Retry-After"]
    assert ["issuer.keys_refused"] == [line["event"] for line in logs if line["log_level"] == "error"]
    assert [0, 0, 0] == after
    assert 200 == opened.status


async def test_what_is_spent_is_remembered_until_it_is_too_old(auth: Auth, issuer: Issuer) -> None:
    """However late it says that it expires; the clocks' difference included."""
    await present(auth, issuer.assertion())
    [(until,)] = auth.sql("SELECT expires_at FROM spent_assertions")

    assert START_MS + 360_000 == until


@pytest.mark.parametrize("kid", ["1", None])
async def test_an_issuer_may_replace_its_key_under_one_name(auth: Auth, issuer: Issuer, kid: str | None) -> None:
    """Or without any: the log-in after it is not turned away."""
    statuses = []
    for jti in ("a", "b"):
        new = {**new_jwk("ES256"), "kid": kid}
        issuer.published = [{name: value for name, value in (public_jwk(new) or {}).items() if value is not None}]
        answer = await present(auth, issuer.sign(issuer.header(kid=kid), issuer.claims(jti=jti), new))
        statuses.append(answer.status)

    assert [200, 200] == statuses
