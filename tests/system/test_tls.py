"""Both services speak TLS by themselves, and a client believes only the authority that it knows."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from multidict import CIMultiDict
from yarl import URL

from dualtoken.client import AuthUnavailable, BearerAuth, TokenSource
from tests.connection import connected
from tests.deadline import HANGS_S
from tests.system.certificates import Certificates, issue
from tests.system.processes import PASSWORD, Deployment, Service

HSTS = "Strict-Transport-Security"
SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """What both services show."""
    return issue(tmp_path_factory.mktemp("certificates") / "tls")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[1, 2], ids=["one process", "two workers"])
async def services(
    request: pytest.FixtureRequest, shared_deployment: Deployment, certificates: Certificates
) -> AsyncIterator[tuple[Service, Service]]:
    """Both services over TLS."""
    files = {"TLS_CERT": certificates.certificate, "TLS_KEY": certificates.key, "WORKERS": request.param}
    async with (
        shared_deployment.auth_service(**{f"AUTH_{name}": value for name, value in files.items()}) as auth,
        shared_deployment.resource_service(**{f"RESOURCE_{name}": value for name, value in files.items()}) as resource,
    ):
        yield auth, resource


def trusting(authority: Path) -> aiohttp.ClientSession:
    """Return a session that believes one authority alone."""
    context = ssl.create_default_context(cafile=authority)
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))


async def test_a_client_works_over_tls(services: tuple[Service, Service], certificates: Certificates) -> None:
    """Log in, call, refresh: https from end to end."""
    auth, resource = services
    async with trusting(certificates.authority) as plain:
        tokens = TokenSource(str(auth.url), session=plain)
        origin = str(resource.url.origin())
        context = ssl.create_default_context(cafile=certificates.authority)
        async with (
            tokens,
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context), middlewares=[BearerAuth(tokens, origins=[origin])]
            ) as http,
        ):
            await tokens.login("zs", PASSWORD)
            await tokens.token(rejected=await tokens.token())
            async with http.get(resource.url / "home") as response:
                assert 200 == response.status

    assert ("https", "https") == (auth.url.scheme, resource.url.scheme)


async def test_answers_over_tls_ask_browsers_to_stay_there(
    services: tuple[Service, Service], certificates: Certificates
) -> None:
    """HSTS and the safe headers are on every answer, errors and unparsable requests included."""
    context = ssl.create_default_context(cafile=certificates.authority)
    async with trusting(certificates.authority) as http:
        for service in services:
            for path in ("", "nowhere", "health/live", "docs"):
                async with http.get(service.url / path) as response:
                    assert SAFE == safe(response.headers)
                    assert "max-age=63072000" == response.headers[HSTS]
            headers = await refusal_of_what_is_no_http(service, context)
            assert SAFE == safe(headers)
            assert "max-age=63072000" == headers[HSTS]


def safe(headers: Mapping[str, str]) -> dict[str, str | None]:
    """Return what an answer says of each safe header."""
    return {name: headers.get(name) for name in SAFE}


async def refusal_of_what_is_no_http(service: Service, context: ssl.SSLContext | None = None) -> Mapping[str, str]:
    """Send bytes that are no request; return the headers of the 400."""
    async with connected(service.url.host, service.url.port, tls=context) as (reader, writer):
        writer.write(b"BROKEN\r\n\r\n")
        status, *lines = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HANGS_S)).decode().split("\r\n")
    assert " 400 " in status
    return CIMultiDict(line.split(": ", 1) for line in lines if line)


async def test_another_authority_is_not_believed(services: tuple[Service, Service], tmp_path: Path) -> None:
    """A client that knows another authority gives its password to nobody."""
    auth, _ = services
    other = issue(tmp_path / "other")
    async with trusting(other.authority) as session:
        tokens = TokenSource(str(auth.url), session=session)
        async with tokens:
            with pytest.raises(AuthUnavailable):
                await tokens.login("zs", PASSWORD)


async def test_plain_http_carries_safe_headers_without_hsts(
    deployment: Deployment, http: aiohttp.ClientSession
) -> None:
    """RFC 6797 §7.2: HSTS is said over TLS alone."""
    async with deployment.auth_service() as auth, deployment.resource_service() as resource:
        for service in (auth, resource):
            for path in ("", "nowhere"):
                async with http.get(URL(f"{service.url}/{path}")) as response:
                    assert SAFE == safe(response.headers)
                    assert HSTS not in response.headers
            headers = await refusal_of_what_is_no_http(service)
            assert SAFE == safe(headers)
            assert HSTS not in headers
