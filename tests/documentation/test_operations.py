"""The commands of docs/operations.md that need no Docker engine, run for real."""

import asyncio
import json
import os
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dualtoken.auth_service.domain.key_life import SIGNED_UNTIL
from dualtoken.auth_service.keys import jwk_file
from dualtoken.auth_service.keys.jwk_file import read_key_file
from tests.deploy.manifests import pods, variables
from tests.deploy.manifests import secrets as secrets_of
from tests.documentation.blocks import block
from tests.documentation.shell import run
from tests.system.processes import PASSWORD, Deployment, deployment_in, prepare

SECRET = secrets.token_hex(32)
_SECRET = re.compile(r"^create secret generic (\S+) --from-file=(?:(\S+)=)?(\S+)$", re.MULTILINE)


@pytest.fixture
async def deployment(tmp_path: Path) -> Deployment:
    """Keys, a database and the user ``zs``."""
    deployment = deployment_in(tmp_path)
    await prepare(deployment)
    return deployment


@pytest.fixture
async def addresses(deployment: Deployment) -> AsyncIterator[dict[str, str]]:
    """Both services at work: where the page's addresses are here."""
    async with deployment.auth_service(AUTH_SERVICE_SECRET=SECRET) as auth:
        feed = {"RESOURCE_REVOCATIONS_URL": auth.url / "revocations", "RESOURCE_SERVICE_SECRET": SECRET}
        async with deployment.resource_service(**feed) as resource:
            yield {
                "http://localhost:8001": str(auth.url.origin()),
                "http://localhost:8002": str(resource.url.origin()),
            }


async def test_what_is_asked_by_hand(tmp_path: Path, addresses: dict[str, str]) -> None:
    """Each ``curl`` of the page gets the answer that stands beside it."""
    health, session = block("docs/operations.md: Ask by hand"), block("docs/operations.md: Ask by hand (2)")
    await asyncio.to_thread(run, health, tmp_path, replacing=addresses)
    env = dict(zip(("AUTH", "API"), addresses.values(), strict=True)) | {"SECRET": SECRET}
    *_, feed = await asyncio.to_thread(run, session, tmp_path, env=env, stdin=f"{PASSWORD}\n")

    assert ["reuse"] == [revoked["reason"] for revoked in json.loads(feed)["revoked"]]


async def test_keys_are_changed(tmp_path: Path, deployment: Deployment) -> None:
    """List, rotate, retire: in the end each file has a new key, and the one that was named is gone."""
    files = [tmp_path / "keys" / f"{name}.jwks.json" for name in ("access", "refresh")]
    [old] = (key["kid"] for key in read_key_file(files[0]))
    jwk_file.rotate(files[0])
    signing, retired = read_key_file(files[0])
    jwk_file.write_key_file(files[0], [signing, {**retired, SIGNED_UNTIL: 1}])  # long ago
    commands = block("docs/operations.md: Change keys")
    await asyncio.to_thread(run, commands, tmp_path, env=deployment.auth, replacing={"KID": old})

    assert [2, 2] == [len(read_key_file(file)) for file in files]
    assert old not in {key["kid"] for key in read_key_file(files[0])}


def test_kubernetes_gets_what_its_pods_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands make each Secret that the manifests mount, of the files that the settings name."""
    for name in ("url", "owner-url"):
        (tmp_path / name).write_text("postgresql://db/dualtoken")
    calls, program = tmp_path / "calls", tmp_path / "bin" / "kubectl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$*\" >> '{calls}'\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    run(block("docs/operations.md: Run on Kubernetes"), tmp_path)
    made = set(_SECRET.findall(calls.read_text()))
    mounted = {
        (secret, value.removeprefix(f"{mount}/"))
        for pod in pods().values()
        for mount, secret in secrets_of(pod).items()
        for value in variables(pod).values()
        if value.startswith(f"{mount}/")
    }

    assert mounted == {(secret, name or Path(file).name) for secret, name, file in made}
    assert all((tmp_path / file).is_file() for _, _, file in made)
