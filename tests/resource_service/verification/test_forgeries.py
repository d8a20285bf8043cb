"""No forged token is accepted, none costs a 500, and each answer has the exact form of RFC 6750."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import example, given, settings
from hypothesis import strategies as st
from yarl import URL

from dualtoken.resource_service.errors import RefreshTokenPresented, TokenRefused
from dualtoken.resource_service.verification.jwk_set import parse_jwk_set
from dualtoken.resource_service.verification.verifier import ValidationPolicy, Verifier
from dualtoken.resource_service.web.bearer import CLAIMS, Bearer
from tests.resource_service.clock import Clock
from tests.resource_service.forgeries import forgeries
from tests.resource_service.forging import KEYS
from tests.resource_service.issuer import AUDIENCE, ISSUER, NOW, Key, claims, write_keys
from tests.resource_service.jwk_sets import jwk_set
from tests.resource_service.services import raw_answer, serving

CORPUS = dict(forgeries())


def _verifier() -> Verifier:
    verifier = Verifier(ValidationPolicy(ISSUER, AUDIENCE), clock=Clock(NOW + 10))
    verifier.use(parse_jwk_set(jwk_set(*(key.jwk for key in KEYS))))
    return verifier


VERIFIER = _verifier()


def test_the_corpus_is_large_and_has_no_doubles() -> None:
    """At least 150 different tokens; a name that occurs twice would hide one."""
    named = list(forgeries())

    assert 150 <= len({token for _, token in named})
    assert len(named) == len(CORPUS)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.alg)
def test_what_the_forgeries_imitate_is_good(key: Key) -> None:
    """The verifier of the corpus does accept the tokens that it was derived from."""
    assert claims()["sub"] == VERIFIER.verify(key.token()).sub


@pytest.mark.parametrize("name", CORPUS)
def test_a_forged_token_is_refused(name: str) -> None:
    """As invalid or expired, never as another error, and never remembered."""
    remembered = VERIFIER.cached
    with pytest.raises(TokenRefused) as refused:
        VERIFIER.verify(CORPUS[name])

    assert refused.value.reason in {"invalid", "expired"}
    assert remembered == VERIFIER.cached


AT_ONCE = 32  # connections
LEGAL_FIELD = re.compile(r"[\t -~\x80-\U0010ffff]*")
"""What a header field may hold (RFC 9110 §5.5); anything else is no request at all."""

REFUSED = {
    f'Bearer realm="{AUDIENCE}", error="invalid_token", error_description="{reason}", '
    f'resource_metadata="{AUDIENCE}/.well-known/oauth-protected-resource"': reason
    for reason in ("invalid", "expired")
}


@contextlib.asynccontextmanager
async def _guarded(path: Path) -> AsyncIterator[URL]:
    """Serve one guarded route."""
    app = web.Application()
    keys = write_keys(path / "keys.json", *KEYS)
    Bearer(issuer=ISSUER, audience=AUDIENCE, keys=keys, clock=Clock(NOW + 10)).mount(app)
    app.router.add_get("/", _who)
    async with serving(app) as url:
        yield url


async def _badly_answered(url: URL, tokens: Iterable[str]) -> list[tuple[str, bytes]]:
    """Present all tokens; return those whose answer is no refusal of the right form, with it."""
    presented, some = list(tokens), asyncio.Semaphore(AT_ONCE)

    async def answer_to(token: str) -> bytes:
        async with some:
            return await raw_answer(url, _request(token))

    answers = await asyncio.gather(*map(answer_to, presented))
    return [
        (token, answer)
        for token, answer in zip(presented, answers, strict=True)
        if not (_is_refusal(answer) if LEGAL_FIELD.fullmatch(token) else _is_bad_request(answer))
    ]


async def test_each_refusal_has_the_form_of_the_rfc(tmp_path: Path) -> None:
    """Over HTTP every forgery is a 401 with one of two challenges, and its body says the same."""
    async with _guarded(tmp_path) as url:
        good = [await raw_answer(url, _request(key.token())) for key in KEYS]
        bad = await _badly_answered(url, CORPUS.values())

    assert [b"200"] * 4 == [answer.split()[1] for answer in good]
    assert [] == bad


async def test_each_refusal_of_a_mutation_has_the_form_of_the_rfc(tmp_path: Path) -> None:
    """Whatever is changed in a good token, over HTTP it is a 401 of that form, and never a 500."""
    tokens: set[str] = set()

    @settings(database=None, max_examples=300, deadline=None)
    @given(mutations())
    def collect(mutated: str) -> None:
        # Blanks before and after a field's value are none of it (RFC 9110 §5.5), and several may follow the scheme.
        if mutated.lstrip(" ").rstrip(" \t") not in {"", *GOOD}:
            tokens.add(mutated)

    collect()
    async with _guarded(tmp_path) as url:
        bad = await _badly_answered(url, tokens)

    assert 200 <= len(tokens)
    assert [] == bad


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """Make a good token with something changed, inserted or left out; or nothing."""
    good = draw(st.sampled_from(GOOD))
    start = draw(st.integers(0, len(good)))
    end = draw(st.integers(start, min(len(good), start + 8)))
    return good[:start] + draw(st.text(st.sampled_from(MUTATIONS), max_size=8)) + good[end:]


@given(mutations())
def test_no_mutation_of_a_good_token_is_good(mutated: str) -> None:
    """Whatever is changed, inserted or left out: one good spelling, and no other."""
    if mutated in GOOD:
        return

    with pytest.raises(TokenRefused):
        VERIFIER.verify(mutated)


@given(
    st.permutations(range(3)),
    st.sampled_from([key.token() for key in KEYS]),
    st.sampled_from([key.token() for key in KEYS]),
)
def test_no_mixture_of_good_tokens_is_good(order: list[int], one: str, other: str) -> None:
    """Segments in another order, or of two tokens, make no third one."""
    header, _, signature = one.split(".")
    parts = [header, other.split(".")[1], signature]
    mixed = ".".join(parts[place] for place in order)
    if mixed in (one, other):
        return

    with pytest.raises(TokenRefused):
        VERIFIER.verify(mixed)


@given(st.text())
@example("\ud800.\ud800.\ud800")
def test_no_text_costs_another_error(text: str) -> None:
    """Whatever arrives as a token, the answer is a refusal."""
    with pytest.raises(TokenRefused):
        VERIFIER.verify(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    ),
    st.sampled_from(sorted(claims())),
)
def test_no_value_of_a_claim_costs_another_error(value: object, claim: str) -> None:
    """Even a token with a good signature is either claims of the right types, or refused."""
    token = KEYS[0].sign(KEYS[0].header(), claims() | {claim: value})
    try:
        found = VERIFIER.verify(token)
    except TokenRefused:
        return

    assert (ISSUER, True, True) == (found.iss, AUDIENCE in found.aud, isinstance(found.exp, int | float))


MUTATIONS = "ABCXYZabcxyz0189-_.=+/ \t\n\x00é"
GOOD = [key.token() for key in KEYS]


async def _who(request: web.Request) -> web.Response:
    return web.json_response({"sub": request[CLAIMS].sub})


def _request(token: str) -> bytes:
    return f"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n".encode(
        errors="surrogatepass"
    )


def _is_refusal(answer: bytes) -> bool:
    head, _, body = answer.decode().partition("\r\n\r\n")
    challenges = re.findall(r"^WWW-Authenticate: (.*)\r$", head, re.MULTILINE)
    return (
        head.startswith("HTTP/1.1 401 ")
        and len(challenges) == 1
        and challenges[0] in REFUSED
        and json.loads(body)["error"] == "invalid_token"
        and json.loads(body)["error_description"] in {REFUSED[challenges[0]], RefreshTokenPresented.hint}
    )


def _is_bad_request(answer: bytes) -> bool:
    return answer.split()[1] == b"400" and json.loads(answer.partition(b"\r\n\r\n")[2])["error"] == "invalid_request"
