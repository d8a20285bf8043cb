"""Two replicas on one PostgreSQL: what one has taken, the other refuses."""

import asyncio
from pathlib import Path

from pydantic import SecretStr

from tests.auth_service.conftest import StartAuth
from tests.auth_service.issuers import SUB, Issuer, write_issuers
from tests.auth_service.store.conftest import migrate
from tests.auth_service.web.backend_calls import BACKEND_SECRET, call
from tests.auth_service.web.grants.presenting import present
from tests.auth_service.web.grants.test_session_code import ORIGIN, exchange
from tests.auth_service.web.test_claims import claims_in
from tests.postgresql import Cluster


async def test_assertions_and_codes_count_once_for_all_replicas(
    start_auth: StartAuth, issuer: Issuer, tmp_path: Path, postgresql: Cluster
) -> None:
    """However many come at once: one session each, for one user."""
    postgresql.execute("DROP DATABASE IF EXISTS grants WITH (FORCE)", "CREATE DATABASE grants")
    url = postgresql.url("grants")
    await migrate(url)
    settings = {
        "database_url": SecretStr(url),
        "trusted_issuers": write_issuers(tmp_path, issuer.entry()),
        "backend_secret": SecretStr(BACKEND_SECRET),
        "cors_origins": (ORIGIN,),
    }
    replicas = [await start_auth(**settings) for _ in range(2)] * 4
    assertion = issuer.assertion()
    answers = await asyncio.gather(*(present(each, assertion) for each in replicas))
    [opened] = [answer for answer in answers if answer.status == 200]
    sub = claims_in(opened.body)["sub"]
    code = (await call(replicas[0], "POST", "/sessions", {"sub": sub, "origin": ORIGIN})).body["code"]
    exchanged = [await exchange(each, code) for each in replicas]

    assert f"{issuer.url}|{SUB}" == sub
    assert ["replayed"] * 7 == [answer.body["reason"] for answer in answers if answer is not opened]
    assert [200, *[400] * 7] == [answer.status for answer in exchanged]
    assert {"replayed"} == {answer.body["reason"] for answer in exchanged[1:]}
