"""DPoP proofs: what is read, what is refused, and when a nonce decides (RFC 9449)."""

import pytest

from dualtoken.auth_service.domain.proof import (
    MAX_AGE_MS,
    NONCE_STEP_MS,
    NONCE_STEPS,
    Nonces,
    address,
    is_thumbprint,
    read_proof,
    require_good,
    thumbprint,
)
from dualtoken.auth_service.errors import InvalidDpopProof, UseDpopNonce
from dualtoken.auth_service.tokens.keyed_hmac import KeyedHmac
from tests.auth_service.domain.dpop import HTU, ProofMaker
from tests.auth_service.domain.forged_proofs import FORGED_PROOFS, MAKER, NOW, OTHER_ADDRESSES, SAME_ADDRESSES

NONCES = Nonces([KeyedHmac(b"n" * 32)])


def judge(proof: str, *, now: int = NOW, nonces: Nonces = NONCES, addresses: tuple[str, ...] = (HTU,)) -> None:
    """Judge a proof for ``POST /refresh``."""
    found = read_proof([proof])
    assert found is not None
    require_good(found, method="POST", addresses=[address(each) for each in addresses], nonces=nonces, now=now)


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_a_good_proof_names_its_key(algorithm: str) -> None:
    """Its thumbprint is what a session is bound to."""
    maker = ProofMaker(algorithm)
    proof = read_proof([maker.proof(NOW)])

    assert proof is not None
    assert (maker.jkt, "POST", HTU, NOW, None) == (proof.jkt, proof.htm, proof.htu, proof.issued_at_ms, proof.nonce)
    judge(maker.proof(NOW))


def test_an_edwards_curve_has_two_names() -> None:
    """``Ed25519`` (RFC 9864 §2.2) and the older ``EdDSA`` are one algorithm, and bind to one key."""
    maker = ProofMaker("EdDSA")
    proofs = [maker.sign(maker.header(alg=alg), maker.payload(NOW)) for alg in ("Ed25519", "EdDSA")]

    assert {maker.jkt} == {proof.jkt for proof in map(read_proof, [[each] for each in proofs]) if proof}


def test_the_thumbprint_is_that_of_the_rfc() -> None:
    """RFC 8037, appendix A.3."""
    x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    key = {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "left out", "use": "sig"}

    assert "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" == thumbprint(key)
    assert is_thumbprint(thumbprint(key))


def test_without_the_header_there_is_no_proof() -> None:
    """That is no error yet: the session may be bound to no key."""
    assert None is read_proof([])


def test_two_headers_are_refused() -> None:
    """§4.3, step 1: a proxy may have read the other one."""
    with pytest.raises(InvalidDpopProof, match="more than one"):
        read_proof([MAKER.proof(NOW), MAKER.proof(NOW)])


@pytest.mark.parametrize("proof", [pytest.param(proof, id=name) for name, proof in FORGED_PROOFS])
def test_a_forged_proof_is_refused(proof: str) -> None:
    """And the refusal quotes nothing of it."""
    with pytest.raises(InvalidDpopProof) as refusal:
        read_proof([proof])

    assert "jwt" not in refusal.value.description.replace("dpop+jwt", "")


def test_the_corpus_is_large() -> None:
    """At least eighty ways of being wrong."""
    assert 80 <= len(dict(FORGED_PROOFS))
    assert len(FORGED_PROOFS) == len(dict(FORGED_PROOFS))


@pytest.mark.parametrize("method", ["GET", "post", "PUT", ""])
def test_a_proof_is_for_one_method(method: str) -> None:
    """By the letter: methods know upper from lower case (RFC 9110 §9.1)."""
    with pytest.raises(InvalidDpopProof, match="htm"):
        judge(MAKER.proof(NOW, htm=method))


@pytest.mark.parametrize("htu", OTHER_ADDRESSES)
def test_a_proof_for_another_address_is_refused(htu: str) -> None:
    """However near it looks."""
    with pytest.raises(InvalidDpopProof, match="htu"):
        judge(MAKER.proof(NOW, htu=htu))


@pytest.mark.parametrize("htu", SAME_ADDRESSES)
def test_an_address_has_several_spellings(htu: str) -> None:
    """They are normalised, without query and fragment (§4.3; RFC 3986 §6.2)."""
    judge(MAKER.proof(NOW, htu=htu))


def test_an_endpoint_may_have_several_addresses() -> None:
    """A proxy may show it under another name, or under a path."""
    judge(MAKER.proof(NOW, htu="https://example.com/auth/refresh"), addresses=(HTU, "https://example.com/auth/refresh"))


@pytest.mark.parametrize("by_ms", [-MAX_AGE_MS, 0, MAX_AGE_MS])
def test_a_clock_may_be_five_minutes_out(by_ms: int) -> None:
    """Without a nonce the time of a proof decides."""
    judge(MAKER.proof(NOW + by_ms))


@pytest.mark.parametrize("by_ms", [-MAX_AGE_MS - 1000, MAX_AGE_MS + 1000, -86_400_000, 86_400_000])
def test_a_stale_or_early_proof_is_challenged(by_ms: int) -> None:
    """Then the nonce decides: a clock that is out by a day gets in by one repetition."""
    with pytest.raises(UseDpopNonce) as challenge:
        judge(MAKER.proof(NOW + by_ms))

    judge(MAKER.proof(NOW + by_ms, nonce=challenge.value.nonce))


@pytest.mark.parametrize("steps", [0, NONCE_STEPS - 1, -(NONCE_STEPS - 1)])
def test_a_nonce_counts_for_five_steps_on_every_replica(steps: int) -> None:
    """Whichever replica issued it, with a clock a few minutes ahead or behind."""
    elsewhere = Nonces([KeyedHmac(b"n" * 32)])

    judge(MAKER.proof(NOW, nonce=elsewhere.issue(NOW - steps * NONCE_STEP_MS)))


@pytest.mark.parametrize("steps", [NONCE_STEPS, -NONCE_STEPS, 10_000])
def test_an_old_nonce_is_challenged_anew(steps: int) -> None:
    """Though the time of the proof is good: whoever sends a nonce is judged by it."""
    with pytest.raises(UseDpopNonce):
        judge(MAKER.proof(NOW, nonce=NONCES.issue(NOW - steps * NONCE_STEP_MS)))


@pytest.mark.parametrize("nonce", ["", "x", "é", "A" * 24, NONCES.issue(NOW) + "=", NONCES.issue(NOW).lower()])
def test_an_invented_nonce_is_challenged(nonce: str) -> None:
    """Only this service's key makes one."""
    with pytest.raises(UseDpopNonce):
        judge(MAKER.proof(NOW, nonce=nonce))


def test_a_nonce_outlives_a_change_of_keys() -> None:
    """The first key issues, all accept."""
    old = KeyedHmac(b"o" * 32)
    issued = Nonces([old]).issue(NOW)

    judge(MAKER.proof(NOW, nonce=issued), nonces=Nonces([KeyedHmac(b"n" * 32), old]))


def test_a_nonce_tells_nothing_of_the_time() -> None:
    """It is the MAC alone, and looks alike at every step."""
    nonces = {NONCES.issue(NOW + step * NONCE_STEP_MS) for step in range(100)}

    assert (100, {24}) == (len(nonces), set(map(len, nonces)))
    assert HTU == address(HTU)
