"""Requests are counted by route, and tied to their log lines."""

import json
import re
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.resource_service.issuer import Key
from tests.resource_service.processes import resource_process
from tests.resource_service.services import bearer, raw_answer

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SENT = {"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}
NAME = "resource_request_duration_seconds"


async def _samples(session: aiohttp.ClientSession, suffix: str) -> dict[tuple[str, ...], float]:
    async with session.get("/metrics") as answer:
        text = await answer.text()
    return {
        tuple(sample.labels[label] for label in ("method", "route", "status", "le") if label in sample.labels): value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f"{NAME}_{suffix}" and (value := sample.value)
    }


async def test_requests_are_counted_by_route(service: aiohttp.ClientSession, key: Key, times: dict[str, int]) -> None:
    """Method, route and status are the labels; what a caller invents is none of them."""
    good = bearer(key.token(**times))
    for method, path, headers in (
        ("GET", "/home", good),
        ("GET", "/home", good),
        ("GET", "/home?token=4711", {}),
        ("GET", "/nowhere/4711", {}),
        ("GET", "/elsewhere/4712", {}),
        ("DELETE", "/home", good),
        ("PROPFIND", "/home", good),
    ):
        async with service.request(method, path, headers=headers) as answer:
            await answer.read()
    counts = await _samples(service, "count")

    assert {
        ("GET", "/home", "200"): 2.0,
        ("GET", "/home", "401"): 1.0,
        ("GET", "none", "404"): 2.0,
        ("DELETE", "none", "405"): 1.0,
        ("other", "none", "405"): 1.0,
    } == counts
    assert counts == {
        labels[:3]: value
        for labels, value in (await _samples(service, "bucket")).items()
        if labels[3] == "+Inf" and labels[1] != "/metrics"
    }


async def test_what_is_no_request_is_counted_too(key_file: Path) -> None:
    """Bytes that cannot be parsed have no route and no method."""
    async with resource_process(keys=key_file) as process:
        await raw_answer(process.url, b"\x16\x03\x01 what is this\r\n\r\n")
        async with aiohttp.ClientSession(process.url) as session:
            counts = await _samples(session, "count")

    assert {("other", "none", "400"): 1.0} == counts


async def test_an_error_names_its_trace(key_file: Path, key: Key, times: dict[str, int]) -> None:
    """The id in the answer is that of the log lines: the caller's, or a new one; a good answer needs none."""
    good = bearer(key.token(**times))
    async with resource_process(keys=key_file, log_level="debug") as process:
        async with aiohttp.ClientSession(process.url) as session:
            answers = [await session.get("/home", headers=headers) for headers in (SENT, {}, {}, good)]
        ids = [answer.headers.get("X-Request-Id", "") for answer in answers]
        unparsable = await raw_answer(process.url, b"GET / HTTP/9.9x\r\n\r\n")
        _, _, logged = await process.stop()
    lines = [json.loads(line) for line in logged.splitlines()]
    found = re.search(rb"X-Request-Id: ([0-9a-f]{32})\r\n", unparsable)

    assert [TRACE_ID, ids[1], ids[2]] == [line["trace_id"] for line in lines if line["event"] == "request.refused"]
    assert [32, 32, 32, 0] == [len(id_) for id_ in ids]
    assert 4 == len(set(ids))
    assert [found and found[1].decode()] == [
        line["trace_id"] for line in lines if line["event"] == "request.unparsable"
    ]
