"""Keys that an application holds itself."""

from typing import Any

import aiohttp
import pytest

from dualtoken.resource_service import Bearer
from dualtoken.resource_service.verification.jwk_set import KeySet, parse_jwk_set
from tests.resource_service.clock import Clock
from tests.resource_service.issuer import AUDIENCE, ISSUER, NOW, Key
from tests.resource_service.jwk_sets import jwk_set
from tests.resource_service.services import bearer, serving
from tests.resource_service.web.foreign_application import foreign_application

KEY = Key()


@pytest.mark.parametrize("keys", [{"keys": [KEY.jwk]}, parse_jwk_set(jwk_set(KEY.jwk))], ids=["as JSON has it", "read"])
async def test_a_set_in_memory_verifies(keys: dict[str, Any] | KeySet) -> None:
    """A test of an application needs neither a file nor a server: what it signs with is what it hands over."""
    app = foreign_application()
    Bearer(issuer=ISSUER, audience=AUDIENCE, keys=keys, clock=Clock(NOW + 10)).mount(app)
    async with serving(app) as url, aiohttp.ClientSession(url) as session:
        found = [(await session.get("/plain", headers=bearer(key.token()))).status for key in (KEY, Key("k2"))]

    assert [200, 401] == found


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({}, "no list of keys"),
        ({"keys": [{"kty": "oct", "kid": "k1", "k": "AA"}]}, "shorter than 32 bytes"),
        ({"keys": [b"x"]}, "not JSON serializable"),
    ],
)
def test_an_unusable_set_is_named_where_it_is_given(keys: dict[str, Any], problem: str) -> None:
    """Not at the first request, and without the key."""
    with pytest.raises(ValueError, match=problem):
        Bearer(issuer=ISSUER, audience=AUDIENCE, keys=keys)


@pytest.mark.parametrize("text", ['{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', ' [{"kty": "oct", "k": "c2VjcmV0"}]'])
def test_a_set_as_text_is_no_path_that_is_told(text: str) -> None:
    """A text names a file, and a file that cannot be read is named in the log: with the keys, here."""
    with pytest.raises(ValueError, match="keys: a text names a file") as caught:
        Bearer(issuer=ISSUER, audience=AUDIENCE, keys=text)

    assert "c2VjcmV0" not in str(caught.value)
