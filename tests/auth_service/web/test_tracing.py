import json

import aiohttp
import pytest

from tests.auth_service.running import Auth
from tests.system.processes import Deployment, deployment_in, prepare

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


NO_TRACE = [
    [],
    [("traceparent", "00-" + "0" * 32 + "-00f067aa0ba902b7-01")],
    [("traceparent", f"{SENT}-what-comes")],
    [("traceparent", SENT), ("traceparent", SENT)],
]


async def test_log_lines_of_a_request_share_an_id(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The caller's trace id, if it sent one as W3C Trace Context has it; else a new one; the answer names it."""
    deployment: Deployment = deployment_in(tmp_path_factory.mktemp("traced"))
    await prepare(deployment)
    named: list[str] = []
    # Each from an address of its own: one has a line a second.
    settings = {"AUTH_TRUSTED_PROXIES": "127.0.0.0/8"}
    async with deployment.auth_service(**settings) as service, aiohttp.ClientSession() as http:
        for number, headers in enumerate([[("traceparent", SENT)], *NO_TRACE]):
            body, address = {"username": "zs", "password": "wrong"}, ("X-Forwarded-For", f"192.0.2.{number}")
            async with http.post(service.url / "login", json=body, headers=[*headers, address]) as answer:
                named.append(answer.headers["X-Request-Id"])
    lines = [json.loads(line) for line in service.stderr.splitlines()]
    ids = [line["trace_id"] for line in lines if line["event"] == "login.refused"]

    assert named == ids
    assert TRACE_ID == ids[0]
    assert 1 + len(NO_TRACE) == len(set(ids))
    assert {32} == {len(id_) for id_ in ids}


async def test_requests_are_counted_by_route(auth: Auth) -> None:
    """Method, route and status are the labels; what a caller invents is none of them."""
    await auth.refresh("x")
    await auth.client.delete("/sessions/mine")
    await auth.client.get("/nowhere/who-asks")
    await auth.client.request("PROPFIND", "/login")
    text = await (await auth.client.get("/metrics")).text()
    counts = [line for line in text.splitlines() if line.startswith("auth_request_duration_seconds_count")]

    assert {
        'auth_request_duration_seconds_count{method="POST",route="/refresh",status="400"} 1.0',
        'auth_request_duration_seconds_count{method="DELETE",route="/sessions/{id}",status="401"} 1.0',
        'auth_request_duration_seconds_count{method="GET",route="none",status="404"} 1.0',
        'auth_request_duration_seconds_count{method="other",route="none",status="405"} 1.0',
    } <= set(counts)
    assert "auth_hashing_queue 0.0" in text.splitlines()
    assert "who-asks" not in text
    assert "mine" not in text


async def test_answers_that_wait_for_nothing_take_time(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The clock is finer than a millisecond, on the event loop that serves in earnest, too."""
    deployment = deployment_in(tmp_path_factory.mktemp("timed"))
    await prepare(deployment)
    async with deployment.auth_service() as service, aiohttp.ClientSession() as http:
        for path in ("health/live", "metrics"):
            async with http.get(service.url / path) as answer:
                text = await answer.text()
    name = 'auth_request_duration_seconds_sum{method="GET",route="/health/live",status="200"} '
    took = [float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name)]

    assert [True] == [seconds > 0 for seconds in took]


async def test_a_good_answer_names_no_trace(auth: Auth) -> None:
    """Nothing is made for a request that nobody will ask about."""
    good, refused = await auth.client.get("/health/live"), await auth.client.get("/nowhere")

    assert [False, True] == ["X-Request-Id" in answer.headers for answer in (good, refused)]
