"""Sessions that the client binds to a key (RFC 9449 §5), against the real auth service."""

import asyncio
import base64
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dualtoken.client import (
    AuthRejected,
    ConfigurationError,
    FileProofKey,
    FileStorage,
    KeyringStorage,
    LoginRequired,
    MemoryProofKey,
    MemoryStorage,
    RefreshRejected,
    RefreshUnavailable,
    StorageError,
    TokenSource,
)
from dualtoken.client.proof_keys import key_path, thumbprint
from tests.auth_service.running import PASSWORD, ManualClock
from tests.client.bound_service import Service, running, source_of
from tests.client.storage.test_every_storage import FakeKeyring

NOW_S = 1_800_000_000


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """A service with default settings."""
    async with running(tmp_path / "service", ManualClock()) as service:
        yield service


async def renew(source: TokenSource) -> str:
    """Refresh, whatever the token in hand."""
    return await source.token(rejected=await source.token())


async def test_a_bound_session_refreshes(service: Service) -> None:
    """Each request has a proof of its own, by the key that the login proved."""
    async with source_of(service) as source:
        await source.login("zs", PASSWORD)
        tokens = [await renew(source) for _ in range(3)]

    assert 3 == len(set(tokens))
    assert 3 == len(set(service.proofs))
    assert None not in service.proofs


async def test_a_stolen_refresh_token_is_worthless(service: Service) -> None:
    """A source without the key, and one with another, get nothing; the owner goes on."""
    async with source_of(service) as owner:
        await owner.login("zs", PASSWORD)
        stolen = owner.current
        assert stolen is not None
        for dpop in (False, MemoryProofKey()):
            thief = source_of(service, dpop=dpop)
            thief._state.publish(owner._state.session, 0.0)  # type: ignore[arg-type] # there is one
            with pytest.raises(LoginRequired) as refused:
                await renew(thief)
            assert "key_lost" == refused.value.reason
        await renew(owner)

    assert 1 == owner.stats.refreshes


@pytest.mark.parametrize("lost", [1, 2])
async def test_a_lost_answer_is_repeated_with_a_fresh_proof(service: Service, lost: int) -> None:
    """The Idempotency-Key stays, the proof does not."""
    async with source_of(service) as source:
        await source.login("zs", PASSWORD)
        service.lose = lost
        await renew(source)

    assert (1, lost) == (source.stats.refreshes, source.stats.retries)
    assert lost + 1 == len(set(service.proofs))


async def test_a_wrong_clock_costs_one_repetition(service: Service) -> None:
    """The service challenges with a nonce, which counts from then on: no further request is challenged."""
    async with source_of(service, wall_clock=lambda: 1_000_000_000.0) as source:
        await source.login("zs", PASSWORD)
        for _ in range(3):
            await renew(source)

    assert 2 == [path for path, _ in service.seen].count("/login")
    assert 3 == len(service.proofs)


async def test_a_nonce_grows_old_without_harm(service: Service) -> None:
    """After an hour the next request is challenged once more, and succeeds."""
    async with source_of(service, wall_clock=lambda: 1_000_000_000.0) as source:
        await source.login("zs", PASSWORD)
        service.clock.advance(3600)
        await renew(source)

    assert (1, 2) == (source.stats.refreshes, len(service.proofs))


async def test_a_lost_key_asks_for_a_login_once(service: Service, tmp_path: Path) -> None:
    """With a reason of its own; a new login binds the next session to a new key."""
    storage = FileStorage(tmp_path / "tokens.json")
    async with source_of(service, storage=storage) as source:
        await source.login("zs", PASSWORD)
    key_path(storage.path).unlink()
    asked: list[LoginRequired] = []
    async with source_of(service, storage=storage, on_login_required=asked.append) as source:
        for _ in range(2):
            with pytest.raises(LoginRequired, match="key_lost"):
                await renew_stored(source)
        await source.login("zs", PASSWORD)
        await renew(source)

    assert ["key_lost"] == [error.reason for error in asked]


async def renew_stored(source: TokenSource) -> None:
    """Refresh the session of the storage."""
    await source.token(rejected=await source.token())


async def test_a_proof_that_the_operator_has_to_mend_logs_nobody_out(tmp_path: Path) -> None:
    """A proxy that is given another address refuses every proof: the session is kept until it is mended."""
    clock = ManualClock()
    storage = FileStorage(tmp_path / "tokens.json")
    async with running(tmp_path / "one", clock) as service, source_of(service, storage=storage) as source:
        await source.login("zs", PASSWORD)
        session = source._state.session
    async with running(tmp_path / "one", clock, dpop_htu=()) as moved:
        source = source_of(moved, dpop=FileProofKey(key_path(storage.path)))
        source._state.publish(session, 0.0)  # type: ignore[arg-type] # there is one
        with pytest.raises(RefreshRejected, match="invalid_dpop_proof"):
            await renew(source)

    assert source.current is not None


async def test_a_session_that_is_older_than_the_key_goes_on(tmp_path: Path) -> None:
    """It proves nothing, so that a proxy whose address no proof may name cannot refuse it; the next login is bound."""
    storage = FileStorage(tmp_path / "tokens.json")
    async with running(tmp_path / "one", ManualClock(), dpop_htu=()) as service:
        async with source_of(service, storage=storage, dpop=False) as before:
            await before.login("zs", PASSWORD)
        async with source_of(service, storage=storage) as since:
            await renew(since)

    assert ([None], 1) == (service.proofs, since.stats.refreshes)


async def test_a_service_that_asks_for_a_key_is_told_apart(tmp_path: Path) -> None:
    """The refusal says what to do."""
    async with running(tmp_path / "one", ManualClock(), dpop="required") as service:
        with pytest.raises(AuthRejected, match="login --bind"):
            await source_of(service, dpop=False).login("zs", PASSWORD)


async def test_processes_share_the_key_beside_the_token_file(service: Service, tmp_path: Path) -> None:
    """It is made once, closed to others, and found by whoever opens the file next."""
    storage = tmp_path / "tokens.json"
    async with source_of(service, storage=FileStorage(storage)) as first:
        await first.login("zs", PASSWORD)
    async with source_of(service, storage=FileStorage(storage)) as second:
        await renew(second)
    path = key_path(storage)

    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert thumbprint(FileProofKey(path).public_jwk) == thumbprint(FileProofKey(path).public_jwk)
    assert 1 == second.stats.refreshes


@pytest.mark.parametrize("dpop", [False, MemoryProofKey()], ids=["no key", "another key"])
async def test_a_session_that_another_process_has_bound_goes_on(
    service: Service, tmp_path: Path, dpop: bool | MemoryProofKey
) -> None:
    """``login --bind`` made the key beside the tokens: a script that knows nothing of it finds it there."""
    async with source_of(service, storage=FileStorage(tmp_path / "tokens.json")) as first:
        await first.login("zs", PASSWORD)
    async with source_of(service, storage=FileStorage(tmp_path / "tokens.json"), dpop=dpop) as second:
        await renew(second)
    async with source_of(service, storage=FileStorage(tmp_path / "tokens.json")) as third:
        await renew(third)

    assert (1, 1) == (second.stats.refreshes, third.stats.refreshes)


async def test_a_key_ring_keeps_tokens_and_key(service: Service, tmp_path: Path) -> None:
    """Who opens it next goes on with both; who has its tokens alone needs a new login."""
    ring = FakeKeyring()
    storages = [KeyringStorage(backend=ring, lock_folder=tmp_path) for _ in range(3)]
    async with source_of(service, storage=storages[0]) as first:
        await first.login("zs", PASSWORD)
    async with source_of(service, storage=storages[1]) as second:
        await renew(second)
    ring.delete_password("dualtoken", "default (DPoP key)")
    async with source_of(service, storage=storages[2]) as third:
        with pytest.raises(LoginRequired, match="key_lost"):
            await renew(third)


async def test_a_nonce_of_a_repeated_answer_is_kept(service: Service) -> None:
    """An answer is lost, and its repetition brings the nonce that all further proofs carry."""
    async with source_of(service, wall_clock=lambda: 1_000_000_000.0) as source:
        await source.login("zs", PASSWORD)
        service.clock.advance(3600)
        service.lose = 2  # the challenge, and what follows it
        await renew(source)
        nonces = [nonce_of(proof) for proof in service.proofs]
        await renew(source)

    assert nonces[-1] == nonce_of(service.proofs[-1])
    assert 1 == len({nonce_of(proof) for proof in service.proofs if nonce_of(proof) != nonces[0]})
    assert len(nonces) + 1 == len(service.proofs)


def nonce_of(proof: str | None) -> str:
    """Return the nonce in a proof."""
    assert proof is not None
    payload = proof.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["nonce"])


async def test_a_key_of_ones_own_is_asked_to_sign(service: Service) -> None:
    """It may lie in a TPM: only its public half and its signatures are seen."""

    class Hardware:
        algorithm = "ES256"

        def __init__(self) -> None:
            self._inside, self.signed = MemoryProofKey(), 0

        @property
        def public_jwk(self) -> Any:
            return self._inside.public_jwk

        async def sign(self, message: bytes) -> bytes:
            self.signed += 1
            await asyncio.sleep(0)
            return await self._inside.sign(message)

    key = Hardware()
    async with source_of(service, dpop=key) as source:
        await source.login("zs", PASSWORD)
        await renew(source)

    assert 2 == key.signed


async def test_a_log_out_needs_no_proof(service: Service) -> None:
    """It goes out without one."""
    async with source_of(service) as source:
        await source.login("zs", PASSWORD)
        await source.logout()

    assert [("/logout", None)] == [seen for seen in service.seen if seen[0] == "/logout"]


async def test_a_storage_without_a_place_for_a_key_is_told() -> None:
    """``dpop=True`` finds one for files, for key rings and for memory."""

    class Elsewhere:
        pass

    with pytest.raises(ConfigurationError, match="FileProofKey"):
        TokenSource("http://127.0.0.1:1", storage=Elsewhere(), dpop=True)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"])
def test_a_file_that_holds_no_key_is_told(tmp_path: Path, text: bytes) -> None:
    """It is named, with the way out; and not what it holds."""
    path = tmp_path / "key.pem"
    path.write_bytes(text)

    with pytest.raises(StorageError, match="log in again"):
        FileProofKey(path)


async def test_an_unreachable_service_keeps_the_session(service: Service) -> None:
    """As without a key."""
    options = {"storage": MemoryStorage(), "dpop": MemoryProofKey()}
    async with (
        source_of(service, **options) as patient,
        source_of(service, **options, refresh_timeout_s=0.5) as hasty,
    ):
        await patient.login("zs", PASSWORD)
        service.lose = 10_000
        with pytest.raises(RefreshUnavailable):
            await renew(hasty)
        service.lose = 0
        await renew(patient)

    assert NOW_S * 1000 == service.clock.now
