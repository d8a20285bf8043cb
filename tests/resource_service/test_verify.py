import time
from collections.abc import Callable

import pytest

from resource_service.errors import KeysUnavailable, RevocationsStale, TokenRefused, UnknownKey
from resource_service.jwk_set import parse_jwk_set
from resource_service.revoked_sessions import RevokedSessions
from resource_service.verify import Policy, Verifier
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
    size: int = 8,
) -> Verifier:
    verifier = Verifier(Policy(ISSUER, AUDIENCE), revoked=revoked, cached_tokens=size, clock=clock, monotonic=monotonic)
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


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "sid", "iat", "exp"])
def test_required_claims_are_required(claim: str, key: Key, clock: Clock) -> None:
    """A token without one of them is no access token (RFC 9068 §2.2)."""
    assert "invalid" == _reason_for(_verifier_for(key, clock), key.token(**{claim: None}))


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
        Verifier(Policy(ISSUER, AUDIENCE)).verify(key.token())


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


def test_the_least_recently_used_token_is_forgotten(key: Key, clock: Clock) -> None:
    """The cache keeps what is used, and never more than it may."""
    verifier = _verifier_for(key, clock, size=2)
    first, second, third = (key.token(jti=jti) for jti in ("1", "2", "3"))
    for token in (first, second, first, third, first, third):
        verifier.verify(token)
    known = verifier.hits
    verifier.verify(second)

    assert (2, 3, 4) == (verifier.cached, known, verifier.misses)


def test_a_refused_token_is_not_remembered(key: Key, clock: Clock) -> None:
    """Nobody without a good signature can push good tokens out of the cache."""
    verifier = _verifier_for(key, clock)
    _reason_for(verifier, key.token()[:-4])

    assert 0 == verifier.cached


def test_a_cache_of_nothing_is_named() -> None:
    """A size that makes no sense is refused where it is given."""
    with pytest.raises(ValueError, match="cached_tokens must be at least 1, not 0"):
        Verifier(Policy(ISSUER, AUDIENCE), cached_tokens=0)
