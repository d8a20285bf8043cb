"""The metadata of a protected resource (RFC 9728), and the challenges that name it."""

from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from dualtoken.resource_service import Bearer
from dualtoken.resource_service.web.protected_resource import ProtectedResource
from tests.resource_service.issuer import AUDIENCE, ISSUER, Key
from tests.resource_service.services import resource_service, serving
from tests.resource_service.web.foreign_application import foreign_application

KEYS = {"keys": [Key().jwk]}
METADATA = "/.well-known/oauth-protected-resource"


async def test_a_client_finds_out_where_tokens_come_from(key_file: Path) -> None:
    """A refused client follows the challenge to the metadata, and from there to the issuer; pages may, too."""
    async with resource_service(key_file, cors_origins=("https://app.example",)) as session:
        async with session.get("/home") as refused:
            named = URL(refused.headers["WWW-Authenticate"].partition('resource_metadata="')[2].rstrip('"'))
        async with session.get(named.path, headers={"Origin": "https://app.example"}) as answer:
            found = answer.content_type, answer.headers["Access-Control-Allow-Origin"], await answer.json()

    assert f"{AUDIENCE}{METADATA}" == str(named)
    assert (
        "application/json",
        "https://app.example",
        {"resource": AUDIENCE, "authorization_servers": [ISSUER], "bearer_methods_supported": ["header"]},
    ) == found


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("https://api.example", f"https://api.example{METADATA}"),
        ("https://api.example/", f"https://api.example{METADATA}"),
        ("https://api.example:8443/v1", f"https://api.example:8443{METADATA}/v1"),
        ("https://api.example/v1/", f"https://api.example{METADATA}/v1/"),
        ("https://api.example/a%20b", f"https://api.example{METADATA}/a%20b"),
        ("https://api.example/v1?tenant=1", None),
        ("https://api.example#x", None),
        ("urn:example:api", None),
        ("api", None),
        ("https://", None),
        ("https://[", None),
    ],
)
def test_the_place_of_the_metadata_follows_from_the_name(resource: str, expected: str | None) -> None:
    """The well-known path goes between host and path (RFC 9728 §3.1); a name that is no such URL has none."""
    protected = ProtectedResource(resource, ISSUER)
    parameters = [f'realm="{resource}"'] + ([f'resource_metadata="{expected}"'] if expected else [])

    assert (expected, f"Bearer {', '.join(parameters)}") == (
        protected.metadata_url and str(protected.metadata_url),
        protected.challenge(),
    )


@pytest.mark.parametrize("path", ["/v1", "/a%20b"])
async def test_a_resource_with_a_path_serves_its_own(path: str) -> None:
    """Several resources of one host do not share a document."""
    app = web.Application()
    Bearer(issuer=ISSUER, audience=[f"https://api.example{path}", "https://old.example"], keys=KEYS).mount(app)
    async with serving(app) as url, aiohttp.ClientSession() as session:
        async with session.get(URL(f"{url}{METADATA}{path}", encoded=True)) as answer:
            assert (200, f"https://api.example{path}") == (answer.status, (await answer.json())["resource"])
        async with session.get(url / METADATA[1:]) as answer:
            assert 404 == answer.status


async def test_no_challenge_names_metadata_that_stand_elsewhere() -> None:
    """Below a prefix they are where no client would look."""
    outer, inner = web.Application(), foreign_application()
    Bearer(issuer=ISSUER, audience=AUDIENCE, keys=KEYS).mount(inner)
    outer.add_subapp("/api/", inner)
    async with serving(outer) as url, aiohttp.ClientSession(url) as session, session.get("/api/plain") as answer:
        assert f'Bearer realm="{AUDIENCE}"' == answer.headers["WWW-Authenticate"]
