"""Fetching the keys of an issuer that is not ours, from one that runs on loopback."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from dualtoken.auth_service.domain.jwk import new_jwk, public_jwk
from dualtoken.auth_service.domain.trusted_issuers import TrustedIssuer
from dualtoken.auth_service.events.assertions import AssertionEvents
from dualtoken.auth_service.grant_errors import IssuerUnavailable
from dualtoken.auth_service.keys.issuer_keys import FRESH_S, MAX_BYTES, IssuerKeys
from tests.auth_service.issuers import Issuer

LOW_ORDER = {"kty": "OKP", "crv": "Ed25519", "kid": "weak", "x": "AQ" + "A" * 41}
SHARED = {"kty": "oct", "alg": "HS256", "kid": "shared", "k": "c2VjcmV0" * 8}


class Seconds:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return seconds."""
        return self.now


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    """A running issuer."""
    async with Issuer().serving() as issuer:
        yield issuer


def keys_of(issuer: Issuer, clock: Callable[[], float] | None = None, **members: Any) -> IssuerKeys:
    """Return its keys; between two fetches is no time."""
    entry = TrustedIssuer.model_validate(issuer.entry(**members))
    return IssuerKeys(entry, AssertionEvents(CollectorRegistry()), gap_s=0, clock=clock or Seconds())


async def problem_of(keys: IssuerKeys) -> str:
    """Return why the keys cannot be had."""
    with pytest.raises(IssuerUnavailable) as caught:
        await keys.find("any", "ES256")
    return str(caught.value)


async def test_any_number_of_callers_share_one_fetch(issuer: Issuer) -> None:
    """The keys are asked for when they are needed, and remembered."""
    keys = keys_of(issuer)
    found = await asyncio.gather(*(keys.find(issuer.jwk["kid"], "ES256") for _ in range(50)))
    again = await keys.find(issuer.jwk["kid"], "ES256")

    assert 1 == issuer.fetches
    assert None not in [*found, again]


async def test_keys_are_asked_for_anew_after_a_while(issuer: Issuer) -> None:
    """What the issuer has withdrawn verifies no longer, though nobody asked for another."""
    clock = Seconds()
    keys, kid = keys_of(issuer, clock), issuer.jwk["kid"]
    assert await keys.find(kid, "ES256")
    issuer.published = [public_jwk(new_jwk("ES256"))]
    clock.now = FRESH_S - 1
    assert await keys.find(kid, "ES256")
    clock.now = FRESH_S

    assert None is await keys.find(kid, "ES256")
    assert 2 == issuer.fetches


async def test_a_key_that_is_not_known_is_asked_for(issuer: Issuer) -> None:
    """Whoever signs by a key since a moment ago is not turned away; all who need it share one fetch."""
    keys, new = keys_of(issuer), new_jwk("ES256")
    await keys.find(issuer.jwk["kid"], "ES256")
    issuer.published.insert(0, public_jwk(new))
    found = await asyncio.gather(*(keys.find(new["kid"], "ES256") for _ in range(50)))

    assert None not in found
    assert 2 == issuer.fetches


async def test_a_key_that_has_not_signed_is_asked_for_anew(issuer: Issuer) -> None:
    """The issuer may have put another in its place; who comes later finds that one without a fetch."""
    keys, kid = keys_of(issuer), issuer.jwk["kid"]
    old = await keys.find(kid, "ES256")
    issuer.published = [{**(public_jwk(new_jwk("ES256")) or {}), "kid": kid}]
    new = await keys.find(kid, "ES256", other_than=old)

    assert new is not None
    assert new is not old
    assert [new, new] == [await keys.find(kid, "ES256"), await keys.find(kid, "ES256", other_than=old)]
    assert 2 == issuer.fetches


async def test_forged_kids_cause_a_fetch_a_second_at_most(issuer: Issuer) -> None:
    """However many come meanwhile, and whatever they are called: they wait for one that begins when the gap is over."""
    entry = TrustedIssuer.model_validate(issuer.entry())
    keys = IssuerKeys(entry, AssertionEvents(CollectorRegistry()), gap_s=3600)
    assert await keys.find(issuer.jwk["kid"], "ES256")
    forged = [asyncio.create_task(keys.find(f"forged {number}", "ES256")) for number in range(100)]
    await asyncio.sleep(0)  # they begin to wait
    honest = [await keys.find(issuer.jwk["kid"], "ES256") for _ in range(100)]

    assert None not in honest
    assert 1 == issuer.fetches
    assert not any(task.done() for task in forged)
    await keys.aclose()
    await asyncio.wait(forged)


async def test_a_caller_who_hangs_up_takes_nothing_from_the_others(issuer: Issuer) -> None:
    """The fetch is nobody's own."""
    keys = keys_of(issuer)
    first, second = (asyncio.create_task(keys.find(issuer.jwk["kid"], "ES256")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()

    assert await second
    assert 1 == issuer.fetches


async def test_a_uri_that_is_given_spares_the_metadata(issuer: Issuer) -> None:
    """For issuers that publish none."""
    issuer.metadata = {"issuer": "https://nobody.example"}

    assert await keys_of(issuer, jwks_uri=f"{issuer.url}/jwks").find(issuer.jwk["kid"], "ES256")


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"issuer": "https://other.example"}, "another issuer"),
        ({"jwks_uri": None}, "no jwks_uri"),
        ({"jwks_uri": "http://issuer.example/jwks"}, "https is needed"),
        ({"jwks_uri": "file:///etc/passwd"}, "not an https URL"),
        ({"jwks_uri": "https://a:b@issuer.example/"}, "without credentials"),
    ],
)
async def test_metadata_must_be_good(issuer: Issuer, metadata: dict[str, Any], expected: str) -> None:
    """Of this issuer, and with an address that may be fetched from."""
    issuer.metadata = metadata

    assert expected in await problem_of(keys_of(issuer))
    assert 0 == issuer.fetches


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (web.Response(status=404), "status 404"),
        (web.Response(status=302, headers={"Location": "/.well-known/openid-configuration"}), "status 302"),
        (web.Response(body=b"{"), "not a JWK Set"),
        (web.Response(body=b"[]"), "not a JWK Set"),
        (web.Response(body=b'{"keys": {}}'), "not a JWK Set"),
        (web.Response(body=b'{"keys": [], "keys": []}'), "not a JWK Set"),
        (web.Response(body=b'{"keys": []}'), "no key for"),
        (web.Response(body=b'{"keys": [' + b"{}," * 100 + b"{}]}"), "more than 100 keys"),
        (web.Response(body=b" " * (MAX_BYTES + 1)), "larger than"),
        (web.Response(body=gzip.compress(b" " * 2**26), headers={"Content-Encoding": "gzip"}), "compressed"),
        (web.Response(body=json.dumps({"keys": [SHARED, LOW_ORDER]}).encode()), "low order"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_no_key_set_is_refused(issuer: Issuer, answer: web.Response, expected: str) -> None:
    """Huge ones, empty ones, ones elsewhere: told, and tried anew when it is needed next."""
    keys, issuer.answer = keys_of(issuer), answer
    with capture_logs() as logs:
        problem = await problem_of(keys)
    issuer.answer = None

    assert expected in problem
    assert ["issuer.keys_refused"] == [line["event"] for line in logs]
    assert await keys.find(issuer.jwk["kid"], "ES256")


async def test_a_signed_url_is_not_told(issuer: Issuer) -> None:
    """Whoever reads the log must not fetch by it."""
    issuer.answer = web.Response(status=403)

    assert f"{issuer.url}/jwks: status 403" == await problem_of(keys_of(issuer, jwks_uri=f"{issuer.url}/jwks?sig=x"))


async def test_a_mark_before_a_set_is_none_of_it(issuer: Issuer) -> None:
    """Some editors begin a file so that is then published."""
    issuer.answer = web.Response(body=b"\xef\xbb\xbf" + json.dumps({"keys": issuer.published}).encode())

    assert await keys_of(issuer).find(issuer.jwk["kid"], "ES256")


async def test_an_issuer_that_is_away_is_told(issuer: Issuer) -> None:
    """By the kind of failure: nobody listens there."""
    issuer.url = "http://127.0.0.1:9"  # discard

    assert "ClientConnectorError" in await problem_of(keys_of(issuer))


async def test_bad_keys_beside_a_good_one_harm_nothing(issuer: Issuer) -> None:
    """They are passed over, and told once."""
    keys = keys_of(issuer)
    issuer.published = [LOW_ORDER, SHARED, None, {"kty": []}, *issuer.published]
    with capture_logs() as logs:
        found = [await keys.find(kid, "ES256") for kid in (issuer.jwk["kid"], "weak", "shared")]
    told = [line for line in logs if line["event"] == "issuer.keys_passed_over"]

    assert [True, False, False] == [key is not None for key in found]
    assert 1 == len(told)
    assert ["key 1 is a point of low order, with which anybody can sign", "key 3 is not an object"] == told[0][
        "problems"
    ]
