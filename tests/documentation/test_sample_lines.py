"""The log lines of docs/operations.md are such as the services write."""

import json
from pathlib import Path
from typing import Any

import aiohttp

from tests.auth_service.events.test_events import SECRET, attack
from tests.documentation.blocks import block
from tests.system.eventually import eventually
from tests.system.processes import Service, deployment_in, prepare

SAMPLES = [json.loads(line) for line in block("docs/operations.md: Sample lines").lines]


def shape(line: dict[str, Any]) -> tuple[str, str, list[tuple[str, type]]]:
    """Return event and level of a line, and its members in order with the types of their values."""
    return line["event"], line["level"], [(name, type(value)) for name, value in line.items()]


def written(*services: Service) -> list[dict[str, Any]]:
    """Return what services have logged."""
    return [json.loads(line) for service in services for line in service.stderr.splitlines()]


async def test_each_sample_is_as_a_real_line(tmp_path: Path) -> None:
    """Member by member: who searches by them finds them."""
    deployment = deployment_in(tmp_path)
    await prepare(deployment)
    async with deployment.auth_service(AUTH_LOGIN_FAILURES=1, AUTH_SERVICE_SECRET=SECRET) as auth:
        async with aiohttp.ClientSession() as http:
            await attack(http, auth)
        feed = {"RESOURCE_REVOCATIONS_URL": auth.url / "revocations", "RESOURCE_SERVICE_SECRET": SECRET}
        async with deployment.resource_service(**feed) as resource:
            await eventually(lambda: resource.events("revocations.received"))
            real = [shape(line) for line in written(auth, resource)]

    assert SAMPLES
    assert [] == [sample["event"] for sample in SAMPLES if shape(sample) not in real]
