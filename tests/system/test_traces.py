"""One trace over all three: the client's request, the refresh that it caused, and the log lines of both services."""

import json
from collections.abc import Awaitable, Callable

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from dualtoken.client import BearerAuth, TokenSource
from tests.system.processes import PASSWORD, Deployment, Service

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SENT = {"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}


def spoiling_the_first() -> Callable[[ClientRequest, ClientHandlerType], Awaitable[ClientResponse]]:
    """Make a client middleware that breaks the signature of the first token that passes: a 401 for real."""
    spoilt: list[str] = []

    async def middleware(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        if not spoilt:
            spoilt.append(request.headers["Authorization"])
            request.headers["Authorization"] = f"{spoilt[0][:-2]}xx"
        return await handler(request)

    return middleware


def events_of(service: Service, trace_id: str) -> list[str]:
    """Return the names of the events that a service logged under a trace."""
    lines = [json.loads(line) for line in service.stderr.splitlines()]
    return [line["event"] for line in lines if line.get("trace_id") == trace_id]


async def test_one_trace_goes_through_both_services(deployment: Deployment) -> None:
    """A traced request meets a refused token: refusal, refresh and replay stand under the caller's one trace id."""
    async with (
        deployment.auth_service(AUTH_LOG_LEVEL="debug") as auth,
        deployment.resource_service(RESOURCE_LOG_LEVEL="debug") as resource,
        TokenSource(auth.url) as tokens,
        aiohttp.ClientSession(
            middlewares=[BearerAuth(tokens, origins=[resource.url.origin()]), spoiling_the_first()]
        ) as http,
    ):
        await tokens.login("zs", PASSWORD)
        async with http.get(resource.url / "home", headers=SENT) as traced:
            assert 200 == traced.status
        async with http.get(resource.url / "nowhere") as untraced:
            other = untraced.headers["X-Request-Id"]

    assert ["request.refused"] == events_of(resource, TRACE_ID)
    assert ["rotation.rotated"] == events_of(auth, TRACE_ID)
    assert other != TRACE_ID
