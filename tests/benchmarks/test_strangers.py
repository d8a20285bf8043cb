"""Requests of users who come once."""

from benchmarks.http_load import Answer
from benchmarks.strangers import Strangers, tokens_of
from dualtoken.auth_service.domain.jwk import new_jwk
from dualtoken.resource_service.verification.jwk_set import parse_jwk_set
from dualtoken.resource_service.verification.verifier import ValidationPolicy, Verifier
from tests.resource_service.jwk_sets import jwk_set

ISSUER, AUDIENCE = "https://auth.example", "https://api.example"


def test_every_request_of_every_connection_brings_another_token() -> None:
    """After the last token the first comes again."""
    requests = Strangers("/home", ["a", "b", "c"])
    one, other = requests(0), requests(1)
    answer = Answer(200, b"", b"{}")

    sent = [one(None), other(None), one(answer), other(answer)]

    assert [True, False, False, True] == [b"Bearer a\r\n" in each for each in sent]
    assert 3 == len(set(sent))


def test_each_token_is_another_user_s() -> None:
    """And good at the service that is measured, which remembers none of them beforehand."""
    key = new_jwk("HS256")
    verifier = Verifier(ValidationPolicy(ISSUER, AUDIENCE))
    verifier.use(parse_jwk_set(jwk_set(key)))
    users = {verifier.verify(token).sub for token in tokens_of(key, 5, issuer=ISSUER, audience=AUDIENCE)}

    assert (5, 5, 0) == (len(users), verifier.misses, verifier.hits)
