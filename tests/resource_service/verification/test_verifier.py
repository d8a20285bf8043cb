import math
import time
from collections.abc import Callable
from typing import Any

import pytest

from dualtoken.resource_service.errors import KeysUnavailable, RevocationsStale, TokenRefused, UnknownKey
from dualtoken.resource_service.verification.jwk_set import parse_jwk_set
from dualtoken.resource_service.verification.revoked_sessions import RevokedSessions
from dualtoken.resource_service.verification.verifier import ValidationPolicy, Verifier
from tests.resource_service.clock import Clock
from tests.resource_service.issuer import AUDIENCE, ISSUER, NOW, SID, TTL_S, Key
from tests.resource_service.jwk_sets import jwk_set


@pytest.fixture
def clock() -> Clock:
    """Ten seconds after the tokens are issued."""
    return Clock(NOW + 10)


@pytest.fixture
def key() -> Key:
    """The key of most tests."""
    return Key()


def _verifier_for(
    key: Key,
    clock: Clock,
    *,
    revoked: RevokedSessions | None = None,
    monotonic: Callable[[], float] = time.monotonic,
    cache_mib: float = 1.0,
) -> Verifier:
    verifier = Verifier(
        ValidationPolicy(ISSUER, AUDIENCE), revoked=revoked, cache_mib=cache_mib, clock=clock, monotonic=monotonic
    )
    verifier.use(parse_jwk_set(jwk_set(key.jwk)))
    return verifier


def _reason_for(verifier: Verifier, token: str) -> str:
    with pytest.raises(TokenRefused) as refused:
        verifier.verify(token)
    return refused.value.reason


@pytest.mark.parametrize("alg", ["HS256", "EdDSA", "ES256", "RS256"])
def test_each_algorithm_is_honoured_with_a_key_of_its_own(alg: str, clock: Clock) -> None:
    """A token signed as its key says is turned into the claims that it carries."""
    key = Key(alg=alg)

    claims = _verifier_for(key, clock).verify(key.token())

    assert ("user-1", SID, "zs", {"read", "write"}) == (claims.sub, claims.sid, claims.username, claims.scopes)


@pytest.mark.parametrize(
    ("iss", "detail"),
    [(f"{ISSUER}/", "another issuer, by a slash at the end"), ("https://elsewhere.example", "another issuer")],
)
def test_an_issuer_that_differs_by_a_slash_is_told_as_such(key: Key, clock: Clock, iss: str, detail: str) -> None:
    """The comparison is exact, and the two look alike in a log."""
    with pytest.raises(TokenRefused, match=f"^{detail}$"):
        _verifier_for(key, clock).verify(key.token(iss=iss))


def test_only_spaces_separate_scopes(key: Key, clock: Clock) -> None:
    """Whatever else Unicode knows as white space is none here (RFC 6749 §3.3): it would grant what nobody wrote."""
    claims = _verifier_for(key, clock).verify(key.token(scope=" read  write\tadmin\u2003root"))

    assert {"read", "write\tadmin\u2003root"} == claims.scopes


@pytest.mark.parametrize("alg", ["HS384", "HS512", "none", "RS256", "EdDSA", "hs256", ""])
def test_the_key_fixes_the_algorithm(alg: str, key: Key, clock: Clock) -> None:
    """A token has no say in how it is verified."""
    token = key.token(header={"alg": alg})

    assert "invalid" == _reason_for(_verifier_for(key, clock), token)


def test_another_token_type_is_refused(key: Key, clock: Clock) -> None:
    """A JWT that was made for something else, signed with the same key, opens nothing."""
    assert "invalid" == _reason_for(_verifier_for(key, clock), key.token(header={"typ": "JWT"}))


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "iat", "exp"])
def test_required_claims_are_required(claim: str, key: Key, clock: Clock) -> None:
    """A token without one of them is no access token (RFC 9068 §2.2)."""
    assert "invalid" == _reason_for(_verifier_for(key, clock), key.token(**{claim: None}))


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"])
def test_both_forms_of_the_type_are_honoured_in_any_case(typ: str, key: Key, clock: Clock) -> None:
    """A media type has no case, and may leave ``application/`` out (RFC 7515 §4.1.9, RFC 9068 §4)."""
    assert SID == _verifier_for(key, clock).verify(key.token(header={"typ": typ})).sid


@pytest.mark.parametrize(("claim", "earlier"), [("iat", 0.25), ("nbf", 0.25), ("exp", -0.75)])
def test_times_may_have_fractions(claim: str, earlier: float, key: Key, clock: Clock) -> None:
    """A NumericDate is any JSON number (RFC 7519 §2), and counts as exactly as it is written."""
    limit = clock.now + (-5 if claim == "exp" else 5)
    token = key.token(**{claim: limit - earlier})
    verifier = _verifier_for(key, clock)

    assert limit - earlier == getattr(verifier.verify(token), claim)
    assert _reason_for(verifier, key.token(**{claim: limit + earlier})) in {"invalid", "expired"}


def test_a_session_is_needed_only_where_it_could_be_revoked(key: Key, clock: Clock) -> None:
    """Not every issuer names one; without it a feed could never reach the token."""
    token = key.token(sid=None)
    strict = Verifier(ValidationPolicy(ISSUER, AUDIENCE, needs_sid=True), clock=clock)
    strict.use(parse_jwk_set(jwk_set(key.jwk)))

    assert _verifier_for(key, clock).verify(token).sid is None
    assert "invalid" == _reason_for(strict, token)


@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519"])
@pytest.mark.parametrize("published", ["EdDSA", "Ed25519", None])
def test_either_name_of_eddsa_is_honoured(alg: str, published: str | None, clock: Clock) -> None:
    """RFC 9864 names the curve; key and token may each use either name."""
    key = Key(alg="EdDSA")
    verifier = Verifier(ValidationPolicy(ISSUER, AUDIENCE), clock=clock)
    verifier.use(parse_jwk_set(jwk_set({**key.jwk, "alg": published} if published else _without_alg(key.jwk))))

    assert "user-1" == verifier.verify(key.token(header={"alg": alg})).sub


@pytest.mark.parametrize("alg", ["HS256", "ES256", "RS256"])
def test_the_other_name_of_eddsa_is_no_other_algorithms(alg: str, clock: Clock) -> None:
    """It belongs to one kind of key."""
    key = Key(alg=alg)

    assert "invalid" == _reason_for(_verifier_for(key, clock), key.token(header={"alg": "Ed25519"}))


def _without_alg(jwk: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in jwk.items() if name != "alg"}


@pytest.mark.parametrize("aud", ["https://b", ["https://b"], ["https://x", "https://a"]])
def test_a_resource_may_have_several_names(aud: str | list[str], key: Key, clock: Clock) -> None:
    """A token for one of them is for this resource; for none, it is another's."""
    verifier = Verifier(ValidationPolicy(ISSUER, ("https://a", "https://b")), clock=clock)
    verifier.use(parse_jwk_set(jwk_set(key.jwk)))

    assert "user-1" == verifier.verify(key.token(aud=aud)).sub
    assert "invalid" == _reason_for(verifier, key.token())


@pytest.mark.parametrize("audience", ["", (), ("https://a", "")])
def test_a_resource_needs_a_name(audience: str | tuple[str, ...]) -> None:
    """Without one, tokens for anybody would be for it."""
    with pytest.raises(ValueError, match="audience"):
        ValidationPolicy(ISSUER, audience)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"issuer": ""}, "issuer must name"),
        ({"issuer": None}, "issuer must name"),
        ({"audience": None}, "audience must name"),
        ({"audience": [None]}, "audience must name"),
        ({"leeway_s": math.nan}, "leeway_s must be"),
        ({"leeway_s": math.inf}, "leeway_s must be"),
        ({"leeway_s": -1}, "leeway_s must be"),
    ],
)
def test_a_policy_that_could_not_be_meant_is_refused(changes: dict[str, Any], problem: str) -> None:
    """What an absent variable leaves would match no token; without a leeway that is a number, none would expire."""
    with pytest.raises(ValueError, match=problem):
        ValidationPolicy(**{"issuer": ISSUER, "audience": AUDIENCE, **changes})


@pytest.mark.parametrize("claim", ["client_id", "jti", "scope", "username", "email"])
def test_other_claims_may_be_absent(claim: str, key: Key, clock: Clock) -> None:
    """A token of another issuer may know less about its user."""
    claims = _verifier_for(key, clock).verify(key.token(**{claim: None}))

    assert not getattr(claims, claim)


def test_one_of_several_audiences_is_enough(key: Key, clock: Clock) -> None:
    """``aud`` may be a list (RFC 7519 §4.1.3)."""
    claims = _verifier_for(key, clock).verify(key.token(aud=["http://other", AUDIENCE]))

    assert ("http://other", AUDIENCE) == claims.aud


def test_a_token_is_good_until_the_end_of_the_leeway(key: Key, clock: Clock) -> None:
    """Expiry counts from ``exp`` plus leeway, cached or not."""
    verifier = _verifier_for(key, clock)
    token = key.token()
    clock.now = NOW + TTL_S + 4.9
    verifier.verify(token)

    clock.now = NOW + TTL_S + 5

    assert ["expired", "expired"] == [_reason_for(verifier, token), _reason_for(verifier, token)]


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_token_from_the_future_is_refused(claim: str, key: Key, clock: Clock) -> None:
    """Beyond the leeway a token is not valid before its time."""
    verifier = _verifier_for(key, clock)
    verifier.verify(key.token(**{claim: NOW + 15}))

    assert "invalid" == _reason_for(verifier, key.token(**{claim: NOW + 16}))


def test_an_unknown_kid_is_told_apart(key: Key, clock: Clock) -> None:
    """Newer keys might verify such a token: whoever holds the key source wants to know."""
    with pytest.raises(UnknownKey) as refused:
        _verifier_for(key, clock).verify(Key("k2").token())

    assert "invalid" == refused.value.reason


def test_without_keys_there_is_no_verdict(key: Key) -> None:
    """A verifier that has no keys yet calls no token bad."""
    with pytest.raises(KeysUnavailable):
        Verifier(ValidationPolicy(ISSUER, AUDIENCE)).verify(key.token())


def test_a_revoked_session_is_refused_at_each_hit(key: Key, clock: Clock) -> None:
    """Having been verified before does not help the token of a session that was revoked since."""
    revoked = RevokedSessions(retention_s=60)
    verifier = _verifier_for(key, clock, revoked=revoked)
    token = key.token()
    verifier.verify(token)

    revoked.add(SID, 0)

    assert "revoked" == _reason_for(verifier, token)


def test_nobody_is_honoured_while_it_is_unknown_who_is_revoked(key: Key, clock: Clock) -> None:
    """Up to the moment that the feed's last word reaches, known tokens included; from its next word on again."""
    revoked, monotonic = RevokedSessions(retention_s=60), Clock(100)
    verifier = _verifier_for(key, clock, revoked=revoked, monotonic=monotonic)
    token = key.token()
    revoked.known_until = 100

    assert SID == verifier.verify(token).sid
    monotonic.advance(0.1)
    with pytest.raises(RevocationsStale):
        verifier.verify(token)
    revoked.known_until = 200
    assert SID == verifier.verify(token).sid


def test_a_key_taken_out_takes_its_cached_tokens_along(key: Key, clock: Clock) -> None:
    """A new key set forgets every verified token."""
    verifier = _verifier_for(key, clock)
    token = key.token()
    verifier.verify(token)

    verifier.use(parse_jwk_set(jwk_set(Key("k2").jwk)))

    assert "invalid" == _reason_for(verifier, token)


def test_a_token_used_again_costs_no_signature(key: Key, clock: Clock) -> None:
    """Found by its signature the second time, by its whole text from then on; and it says the same each time."""
    verifier = _verifier_for(key, clock)
    token = key.token()
    told = [verifier.verify(token) for _ in range(4)]

    assert [told[0]] * 4 == told
    assert (1, 3, 1) == (verifier.cached, verifier.hits, verifier.misses)


def test_a_remembered_signature_vouches_for_nothing_else(key: Key, clock: Clock) -> None:
    """Another payload, or another header, below the signature of a good token is refused."""
    verifier = _verifier_for(key, clock)
    good, other = key.token(jti="1"), key.token(jti="2", sub="somebody-else")
    for token in (good, good, other, other):
        verifier.verify(token)
    (header, payload, signature), (_, foreign, _) = good.split("."), other.split(".")
    padded = header[:-1] + ("A" if header[-1] != "A" else "B")

    assert "invalid" == _reason_for(verifier, f"{header}.{foreign}.{signature}")
    assert "invalid" == _reason_for(verifier, f"{padded}.{payload}.{signature}")


def test_a_refused_token_is_not_remembered(key: Key, clock: Clock) -> None:
    """Nobody without a good signature can push good tokens out of the cache."""
    verifier = _verifier_for(key, clock)
    _reason_for(verifier, key.token()[:-4])

    assert 0 == verifier.cached


def test_a_cache_of_nothing_is_named() -> None:
    """A size that makes no sense is refused where it is given."""
    with pytest.raises(ValueError, match="cache_mib must be more than 0, not 0"):
        Verifier(ValidationPolicy(ISSUER, AUDIENCE), cache_mib=0)
