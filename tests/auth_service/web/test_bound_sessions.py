"""Sessions that are bound to a key: ``DPoP`` at ``/login`` and ``/refresh`` (RFC 9449 §5), over HTTP."""

from typing import Any

import pytest
from pydantic import SecretStr

from tests.auth_service.conftest import StartAuth
from tests.auth_service.domain.dpop import ProofMaker
from tests.auth_service.domain.forged_proofs import OTHER_ADDRESSES
from tests.auth_service.running import PASSWORD, Auth, reason_of

BASE = "https://auth.example"
LOGIN, REFRESH = f"{BASE}/login", f"{BASE}/refresh"
CREDENTIALS = {"username": "zs", "password": PASSWORD}
ELSEWHERE = "https://example.com/auth"
Answer = tuple[int, dict[str, Any]]


async def log_in(auth: Auth, maker: ProofMaker) -> str:
    """Open a bound session; return its refresh token."""
    proof = maker.proof(auth.clock.now, htu=LOGIN)
    answer = await auth.post("/login", CREDENTIALS, headers={"DPoP": proof})
    assert 200 == answer.status, await answer.text()
    return str((await answer.json())["refresh_token"])


async def refresh(auth: Auth, token: str, proof: str | None, key: str | None = None) -> Answer:
    """Present a refresh token with a proof."""
    headers = {name: value for name, value in (("DPoP", proof), ("Idempotency-Key", key)) if value is not None}
    answer = await auth.post("/refresh", {"refresh_token": token}, headers=headers)
    return answer.status, {**await answer.json(), "nonce": answer.headers.get("DPoP-Nonce")}


async def rotate(auth: Auth, maker: ProofMaker, token: str, key: str | None = None) -> str:
    """Return the successor of a token that must be granted."""
    status, body = await refresh(auth, token, maker.proof(auth.clock.now), key)
    assert 200 == status, body
    return str(body["refresh_token"])


async def test_a_bound_session_refreshes_by_its_key(auth: Auth) -> None:
    """Again and again: the binding is never lost."""
    maker = ProofMaker()
    token = await log_in(auth, maker)
    for _ in range(3):
        token = await rotate(auth, maker, token)

    assert (400, "invalid_dpop_proof") == reason_of(await refresh(auth, token, None))[:2]


@pytest.mark.parametrize("spent", [0, 1, 2])
async def test_a_stolen_token_neither_gains_nor_ends_anything(auth: Auth, spent: int) -> None:
    """Newest, predecessor or older, with the journal's Idempotency-Key, without a proof or with the thief's own."""
    owner, thief = ProofMaker(), ProofMaker()
    tokens = [await log_in(auth, owner)]
    for _ in range(2):
        tokens.append(await rotate(auth, owner, tokens[-1], "journal"))
    stolen = tokens[-1 - spent]
    for proof in (None, thief.proof(auth.clock.now)):
        assert (400, "invalid_dpop_proof", "unproven") == reason_of(await refresh(auth, stolen, proof, "journal"))

    await rotate(auth, owner, tokens[-1])


async def test_a_thief_with_the_key_is_found_by_rotation(auth: Auth) -> None:
    """A token older than the predecessor ends the session, whoever proves the key."""
    maker = ProofMaker()
    first = await log_in(auth, maker)
    await rotate(auth, maker, await rotate(auth, maker, first))

    assert (400, "invalid_grant", "reused") == reason_of(await refresh(auth, first, maker.proof(auth.clock.now)))


@pytest.mark.parametrize("key", [None, "another"])
async def test_a_lost_answer_is_repeated_at_any_delay(auth: Auth, key: str | None) -> None:
    """The same key proves the same client: no Idempotency-Key is needed, and none has to be the same."""
    maker = ProofMaker()
    first = await log_in(auth, maker)
    second = await rotate(auth, maker, first, "one")
    auth.clock.advance(6 * 86_400)

    assert second == await rotate(auth, maker, first, key)


async def test_a_proof_that_is_replayed_yields_nothing_new(auth: Auth) -> None:
    """There is no memory of ``jti``: the copy of a whole request is a retry, and gets what its owner got."""
    maker = ProofMaker()
    first = await log_in(auth, maker)
    proof = maker.proof(auth.clock.now)
    _, answer = await refresh(auth, first, proof)
    _, again = await refresh(auth, first, proof)

    assert answer["refresh_token"] == again["refresh_token"]


async def test_a_copied_proof_is_worth_the_key_while_it_is_fresh(auth: Auth) -> None:
    """Its thief refreshes beside the owner for so long, and no longer; rotation finds the two as ever."""
    owner = ProofMaker()
    first = await log_in(auth, owner)
    copied = owner.proof(auth.clock.now)
    stolen = second = await rotate(auth, owner, first)
    for _ in range(2):
        status, body = await refresh(auth, stolen, copied)
        assert 200 == status, body
        stolen = str(body["refresh_token"])
    auth.clock.advance(301)

    assert "use_dpop_nonce" == (await refresh(auth, stolen, copied))[1]["error"]
    assert (400, "invalid_grant", "reused") == reason_of(await refresh(auth, second, owner.proof(auth.clock.now)))


async def test_a_proof_is_judged_before_anything_is_spent(auth: Auth) -> None:
    """A stale one is challenged, and the token is as good as before; the nonce gets in, whatever the client's clock."""
    maker = ProofMaker()
    token = await log_in(auth, maker)
    slow = auth.clock.now - 3_600_000
    status, challenge = await refresh(auth, token, maker.proof(slow))
    assert (400, "use_dpop_nonce") == (status, challenge["error"])
    status, answer = await refresh(auth, token, maker.proof(slow, nonce=challenge["nonce"]))

    assert 200 == status
    assert answer["nonce"] is not None


async def test_a_challenge_restores_nothing(auth: Auth) -> None:
    """A late nonce for a spent token, of a request that was held up, is judged by the rule as any other."""
    maker = ProofMaker()
    first = await log_in(auth, maker)
    _, challenge = await refresh(auth, first, maker.proof(auth.clock.now - 3_600_000))
    await rotate(auth, maker, await rotate(auth, maker, first))
    late = await refresh(auth, first, maker.proof(auth.clock.now, nonce=challenge["nonce"]))

    assert (400, "invalid_grant", "reused") == reason_of(late)


async def test_the_mac_comes_first(auth: Auth) -> None:
    """What this service did not issue is malformed, whatever its proof."""
    assert (400, "invalid_grant", "malformed") == reason_of(await refresh(auth, "dtr1_x", "no proof at all"))


@pytest.mark.parametrize("htu", OTHER_ADDRESSES[:6])
async def test_the_address_is_the_issuers_and_never_the_hosts(auth: Auth, htu: str) -> None:
    """What a request says of its own address is not believed."""
    maker = ProofMaker()
    token = await log_in(auth, maker)
    proof = maker.proof(auth.clock.now, htu=htu)
    headers = {"DPoP": proof, "Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
    answer = await auth.post("/refresh", {"refresh_token": token}, headers=headers)

    assert (400, "invalid_dpop_proof") == (answer.status, (await answer.json())["error"])


@pytest.mark.parametrize(
    "listed", ["https://example.com/auth", "https://EXAMPLE.com:443/auth/", f"{ELSEWHERE}/refresh"]
)
async def test_other_addresses_are_listed(start_auth: StartAuth, listed: str) -> None:
    """``AUTH_DPOP_HTU`` names what a proxy makes of them, path prefixes included, or one endpoint alone."""
    auth = await start_auth(dpop_htu=(listed,))
    maker = ProofMaker()
    token = await log_in(auth, maker)
    status, _ = await refresh(auth, token, maker.proof(auth.clock.now, htu="https://example.com/auth/refresh"))

    assert 200 == status


async def test_a_log_in_with_a_bad_proof_opens_nothing(auth: Auth) -> None:
    """No session, and no password is looked at."""
    proof = ProofMaker().proof(auth.clock.now)  # for /refresh
    answer = await auth.post("/login", CREDENTIALS, headers={"DPoP": proof})

    assert (400, "invalid_dpop_proof") == (answer.status, (await answer.json())["error"])
    assert ([(0,)], 0) == (auth.sql("SELECT count(*) FROM sessions"), auth.hasher.verified)


async def test_the_cookie_of_a_bound_session_needs_its_proof(start_auth: StartAuth) -> None:
    """Without it the cookie is neither spent nor dropped: a page whose key is elsewhere cannot log its owner out."""
    auth = await start_auth(cors_origins=("https://app.example",))
    page, maker = {"Origin": "https://app.example"}, ProofMaker()
    opened = await auth.post(
        "/login", {**CREDENTIALS, "cookie": True}, headers={**page, "DPoP": maker.proof(auth.clock.now, htu=LOGIN)}
    )
    cookie = {**page, "Cookie": opened.headers["Set-Cookie"].partition(";")[0]}
    refused = await auth.post("/refresh", headers=cookie)
    granted = await auth.post("/refresh", headers={**cookie, "DPoP": maker.proof(auth.clock.now)})

    assert True is (await opened.json())["bound"]
    assert (400, "unproven") == (refused.status, (await refused.json())["reason"])
    assert "Set-Cookie" not in refused.headers
    assert (200, True) == (granted.status, (await granted.json())["bound"])


async def test_a_log_out_asks_for_no_proof(auth: Auth) -> None:
    """Whoever holds a token may end its session, or all of its user's, and do nothing else."""
    maker = ProofMaker()
    tokens = [await log_in(auth, maker) for _ in range(3)]
    await auth.post("/logout", {"token": tokens[0]})
    one = [(await refresh(auth, token, maker.proof(auth.clock.now)))[0] for token in tokens]
    await auth.post("/logout", {"token": tokens[1], "everywhere": True})
    every = [reason_of(await refresh(auth, token, maker.proof(auth.clock.now))) for token in tokens[1:]]

    assert [400, 200, 200] == one
    assert [(400, "invalid_grant", "revoked")] * 2 == every


async def test_sessions_need_a_key_where_the_operator_says_so(start_auth: StartAuth) -> None:
    """With ``AUTH_DPOP=required`` no unbound session begins; those that live go on until they end."""
    auth = await start_auth(dpop="required")
    answer = await auth.post("/login", CREDENTIALS)

    assert (400, "invalid_dpop_proof") == (answer.status, (await answer.json())["error"])
    await log_in(auth, ProofMaker())


async def test_switched_off_no_session_is_bound_anew(start_auth: StartAuth) -> None:
    """With ``AUTH_DPOP=off`` a proof at log-in binds nothing; the metadata offers none; what is bound stays so."""
    off = await start_auth(dpop="off")
    token = await log_in(off, ProofMaker())
    metadata = await (await off.client.get("/.well-known/oauth-authorization-server")).json()
    off.sql("UPDATE sessions SET jkt = ?", "k" * 43)

    assert "dpop_signing_alg_values_supported" not in metadata
    assert (400, "invalid_dpop_proof") == reason_of(await off.refresh(token))[:2]


async def test_switched_off_a_bad_proof_stands_in_nobodys_way(
    start_auth: StartAuth, capsys: pytest.CaptureFixture[str]
) -> None:
    """It bound nothing at log-in, asks for nothing at a refresh, and is no event: no address needs to be listed."""
    auth = await start_auth(dpop="off")
    maker = ProofMaker()
    statuses = []
    for spoilt in (maker.proof(auth.clock.now, htu="https://elsewhere.example/refresh"), maker.proof(0), "no proof"):
        opened = await auth.post("/login", CREDENTIALS, headers={"DPoP": spoilt})
        token = (await opened.json())["refresh_token"]
        statuses.append((await refresh(auth, token, spoilt))[0])

    assert [200, 200, 200] == statuses
    assert "proof.refused" not in capsys.readouterr().out


async def test_switched_off_a_bound_session_still_asks_for_its_proof(start_auth: StartAuth) -> None:
    """A bad one is refused by what is wrong with it, and a stale one is challenged, as ever."""
    on = await start_auth()
    maker = ProofMaker()
    token = await log_in(on, maker)
    off = await start_auth(dpop="off")
    _, bad = await refresh(off, token, maker.proof(off.clock.now, htu="https://elsewhere.example/refresh"))
    _, challenge = await refresh(off, token, maker.proof(0))
    status, _ = await refresh(off, token, maker.proof(0, nonce=challenge["nonce"]))

    assert ("invalid_dpop_proof", "use_dpop_nonce", 200) == (bad["error"], challenge["error"], status)
    assert "htu" in bad["error_description"]


async def test_the_metadata_tells_the_algorithms(auth: Auth) -> None:
    """RFC 9449 §5.1."""
    metadata = await (await auth.client.get("/.well-known/oauth-authorization-server")).json()

    assert ["ES256", "Ed25519", "EdDSA"] == metadata["dpop_signing_alg_values_supported"]


async def test_introspection_tells_the_key_of_the_session(start_auth: StartAuth) -> None:
    """The access token stays a bearer token."""
    secret = "s" * 32
    auth = await start_auth(service_secret=SecretStr(secret))
    maker = ProofMaker()
    answer = await auth.post("/login", CREDENTIALS, headers={"DPoP": maker.proof(auth.clock.now, htu=LOGIN)})
    token = (await answer.json())["access_token"]
    told = await auth.post("/introspect", {"token": token}, headers={"Authorization": f"Bearer {secret}"})
    body = await told.json()

    assert ("Bearer", {"jkt": maker.jkt}) == (body["token_type"], body["cnf"])


async def test_each_refusal_is_counted(auth: Auth) -> None:
    """By error code; and the rule's own, by outcome."""
    maker = ProofMaker()
    token = await log_in(auth, maker)
    await refresh(auth, token, "no proof")
    await refresh(auth, token, maker.proof(auth.clock.now - 3_600_000))
    await refresh(auth, token, None)
    metrics = await (await auth.client.get("/metrics")).text()

    assert 'auth_dpop_refusals_total{error="invalid_dpop_proof"} 1.0' in metrics
    assert 'auth_dpop_refusals_total{error="use_dpop_nonce"} 1.0' in metrics
    assert 'auth_rotations_total{distance="0",outcome="unproven"} 1.0' in metrics


async def test_every_replica_takes_the_nonces_of_the_others(start_auth: StartAuth) -> None:
    """Also after a restart, and with clocks minutes apart: they are made from the refresh keys."""
    one = await start_auth()
    other = await start_auth()
    maker = ProofMaker()
    token = await log_in(one, maker)
    one.clock.advance(180)
    _, challenge = await refresh(one, token, maker.proof(one.clock.now - 3_600_000))
    one.clock.advance(-180)
    status, _ = await refresh(other, token, maker.proof(0, nonce=challenge["nonce"]))

    assert 200 == status
