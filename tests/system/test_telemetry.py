"""Spans for OpenTelemetry: sent where its own variables ask for them, by both services, under one trace."""

import asyncio
import json
import socket
import sys
from pathlib import Path

import aiohttp
import pytest

from dualtoken.client import BearerAuth, TokenSource
from tests.deadline import HANGS_S
from tests.system.otlp import Span, collecting
from tests.system.processes import PASSWORD, REPOSITORY, Deployment, environment, run
from tests.system.test_traces import SENT, TRACE_ID, spoiling_the_first

FAST = {"OTEL_BSP_SCHEDULE_DELAY": "50"}
# As if the extra were not installed: this process finds no module of that name.
_WITHOUT = """
import sys, runpy
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Nothing())
sys.argv = [{package!r}, "serve"]
runpy.run_module({package!r}, run_name="__main__", alter_sys=True)
"""


def _told(spans: list[Span]) -> list[tuple[str, str, object]]:
    return sorted((span.service, span.name, span.attributes["http.response.status_code"]) for span in spans)


async def test_spans_of_both_services_share_the_callers_trace(deployment: Deployment) -> None:
    """A traced call with a refused token: one span for each request, children of the caller's, with nothing secret."""
    async with collecting() as collector:
        asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **FAST}
        async with (
            deployment.auth_service(**asked) as auth,
            deployment.resource_service(RESOURCE_LOG_LEVEL="debug", **asked) as resource,
            TokenSource(auth.url) as tokens,
            aiohttp.ClientSession(
                middlewares=[BearerAuth(tokens, origins=[resource.url.origin()]), spoiling_the_first()]
            ) as http,
        ):
            opened = await tokens.login("zs", PASSWORD)
            async with http.get(resource.url / "home", params={"token": "who-asks"}, headers=SENT) as answer:
                assert 200 == answer.status
            spans = await collector.until(lambda all_: 3 == sum(span.trace_id == TRACE_ID for span in all_))
    ours = [span for span in spans if span.trace_id == TRACE_ID]
    logged = [json.loads(line) for line in resource.stderr.splitlines()]

    assert [
        ("auth_service", "POST /refresh", 200),
        ("resource_service", "GET /home", 200),
        ("resource_service", "GET /home", 401),
    ] == _told(ours)
    assert ["00f067aa0ba902b7"] * 2 == [span.parent_id for span in ours if span.service == "resource_service"]
    assert {"http.request.method", "http.route", "http.response.status_code"} == set(ours[0].attributes)
    assert [TRACE_ID] == [line["trace_id"] for line in logged if line["event"] == "request.refused"]
    assert not [secret for secret in (opened.access_token, opened.refresh_token, "who-asks") if secret in str(spans)]


async def test_a_request_without_a_trace_begins_one(deployment: Deployment) -> None:
    """Its span is a root, and its id is the one that an error answer names; the last spans leave at the end."""
    async with collecting() as collector:
        asked = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/v1/traces"}
        async with (
            deployment.resource_service(OTEL_SERVICE_NAME="shop", **asked) as resource,
            aiohttp.ClientSession() as http,
            http.get(resource.url / "nowhere/4711") as answer,
        ):
            named = answer.headers["X-Request-Id"]
        spans = collector.spans

    assert [("shop", "GET", 404, named, "")] == [
        (span.service, span.name, span.attributes["http.response.status_code"], span.trace_id, span.parent_id)
        for span in spans
    ]


@pytest.mark.parametrize("service", ["auth", "resource"])
async def test_workers_send_spans(deployment: Deployment, service: str) -> None:
    """What sends spans is made in each worker, after the fork: none is lost."""
    async with collecting() as collector:
        settings = {f"{service.upper()}_WORKERS": 2, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **FAST}
        starting = deployment.auth_service if service == "auth" else deployment.resource_service
        connector = aiohttp.TCPConnector(force_close=True)
        async with starting(**settings) as running, aiohttp.ClientSession(connector=connector) as http:
            for _ in range(40):
                await (await http.get(running.url / "health/live")).read()
            spans = await collector.until(lambda all_: 40 <= len(all_))

    assert {"GET /health/live"} == {span.name for span in spans}


async def test_a_collector_that_is_away_holds_nothing_up(deployment: Deployment) -> None:
    """Requests are answered, and the service ends in time with status 0."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        async with (
            deployment.resource_service(OTEL_EXPORTER_OTLP_ENDPOINT=url, **FAST) as resource,
            aiohttp.ClientSession() as http,
            http.get(resource.url / "health/live") as answer,
        ):
            assert 200 == answer.status


@pytest.mark.parametrize("asked", [{}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_SDK_DISABLED": "true"}])
async def test_nothing_is_sent_unasked(deployment: Deployment, asked: dict[str, str]) -> None:
    """Without the variables, or with one that forbids it, no span is made."""
    async with collecting() as collector:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url} if asked else {}
        async with deployment.resource_service(**endpoint, **asked) as resource, aiohttp.ClientSession() as http:
            await (await http.get(resource.url / "health/live")).read()

    assert [] == collector.spans


async def _refusal(package: str, deployment: Deployment, **asked: str) -> tuple[int, str]:
    settings = deployment.auth if package == "auth_service" else deployment.resource
    status, _, err = await run(package, "serve", settings={**settings, **asked})
    return status, err


@pytest.mark.parametrize("package", ["auth_service", "resource_service"])
async def test_what_cannot_be_had_is_named(deployment: Deployment, package: str) -> None:
    """One line, exit status 2, for an exporter or a protocol that is unknown here."""
    exporter = f"{package}: OTEL_TRACES_EXPORTER: must be otlp or none\n"
    protocol = f"{package}: OTEL_EXPORTER_OTLP_PROTOCOL: must be http/protobuf\n"
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}

    assert (2, exporter) == await _refusal(package, deployment, OTEL_TRACES_EXPORTER="zipkin")
    assert (2, protocol) == await _refusal(package, deployment, **asked)


@pytest.mark.parametrize("package", ["auth_service", "resource_service"])
async def test_a_missing_extra_is_named(deployment: Deployment, package: str) -> None:
    """One line, exit status 2, that says what to install."""
    settings = deployment.auth if package == "auth_service" else deployment.resource
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _WITHOUT.format(package=package)),
        cwd=Path(REPOSITORY),
        env=environment({**settings, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), HANGS_S)
    expected = (
        f"{package}: OTEL_EXPORTER_OTLP_ENDPOINT asks for OpenTelemetry, which is not installed: "
        "pip install 'dualtoken[otel]'\n"
    )

    assert (2, b"", expected) == (process.returncode, out, err.decode())
