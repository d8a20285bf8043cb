"""Two replicas of each service behind nginx: machines die under users, and the users do not notice."""

import asyncio
import random
import re
import shlex
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.compose.crowd import Crowd
from tests.compose.stack import CHECKOUT, Stack, run

AUTH, RESOURCE = ("auth-1", "auth-2"), ("resource-1", "resource-2")
REPLICAS = (*AUTH, *RESOURCE)
SERVICES = ("database", "redis", "nginx", *REPLICAS)
ONE_SHOTS = ("keys", "database-secret", "migrate")
ACCOUNT = {"username": "zs", "password": "correct horse battery staple"}
REFRESHERS, VISITORS = 16, 6


@pytest.fixture(scope="module")
def scaled(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The scaled stack, on a network of its own. Access tokens live so shortly that each fault meets refreshes."""
    network = f"10.{random.randrange(200, 250)}.{random.randrange(256)}"
    settings = {
        "SCALE_NETWORK": network,
        "AUTH_ACCESS_TTL_S": "2",
        "RESOURCE_LEEWAY_S": "0",
        "AUTH_LIMITS_URL": "memory://",
    }
    failed = request.session.testsfailed
    with Stack.running(override="docker-compose.scale.yml", services=SERVICES, **settings) as stack:
        add = ("python", "-m", "auth_service", "users", "add", ACCOUNT["username"], "--email", "zs@example.org")
        stack.execute(AUTH[0], *add, stdin=f"{ACCOUNT['password']}\n")
        yield stack
        if request.session.testsfailed > failed:
            print(stack.compose("logs", "--no-color", "--tail=200"))


@pytest.fixture
async def crowd(scaled: Stack, tmp_path: Path) -> AsyncIterator[Crowd]:
    """Users with a session each, logged in through nginx."""
    numbers = {"refreshers": REFRESHERS, "visitors": VISITORS}
    async with Crowd.logged_in(scaled.auth_url, scaled.resource_url, ACCOUNT, tmp_path, **numbers) as crowd:
        yield crowd


async def test_kills_log_nobody_out(scaled: Stack, crowd: Crowd) -> None:
    """Each replica and then the database is killed under load and comes back: no session is lost, no visit fails."""
    async with crowd.busy():
        for service in (*REPLICAS, "database"):
            await asyncio.to_thread(scaled.compose, "kill", service)
            if service != "database":
                await crowd.everybody_is_served()
            await asyncio.to_thread(started, scaled, service)
            await crowd.everybody_is_served()

    assert [] == await crowd.judged()
    assert crowd.history.counts["retries"] > 0  # the outage of the database was one
    assert REFRESHERS + VISITORS == live_sessions(scaled) + REFRESHERS  # a thief has ended each refresher's


async def test_rolling_restart_fails_no_request(scaled: Stack, crowd: Crowd) -> None:
    """One replica after the other is restarted, each once the last is healthy: no request fails."""
    async with crowd.busy():
        for service in REPLICAS:
            await asyncio.to_thread(restarted, scaled, service)

    assert [] == await crowd.judged()


async def test_restore_keeps_honest_clients(scaled: Stack, tmp_path: Path) -> None:
    """The commands of docs/operations.md save and restore the database; whoever refreshed since the backup stays in."""
    dump, *restore = documented_commands(scaled, tmp_path)
    urls = (scaled.auth_url, scaled.resource_url)
    async with Crowd.logged_in(*urls, ACCOUNT, tmp_path, refreshers=4, visitors=2) as crowd:
        async with crowd.busy():
            await asyncio.to_thread(shell, scaled, dump)
            await crowd.everybody_is_served()
        await asyncio.to_thread(restored, scaled, restore)
        found = await crowd.judged()

    assert [] == found
    assert "rotation.caught_up" in scaled.compose("logs", "--no-color", *AUTH)


@pytest.mark.parametrize("service", SERVICES)
def test_nobody_has_privileges(scaled: Stack, service: str) -> None:
    """No process of any container is root or has a capability, and the root file system is read-only."""
    _titles, *processes = run("docker", "top", scaled.container(service), "-eo", "pid,uid").splitlines()
    status = dict(line.split(":", 1) for line in scaled.execute(service, "cat", "/proc/1/status").splitlines())
    read_only = scaled.inspect(service, "{{.HostConfig.ReadonlyRootfs}}")

    assert 0 not in {int(line.split()[1]) for line in processes}
    assert [0, 0, 1] == [int(status[name], 16) for name in ("CapEff", "CapBnd", "NoNewPrivs")]
    assert "true" == read_only


def test_only_nginx_is_published(scaled: Stack) -> None:
    """From outside, a replica is reached through nginx alone; database and Redis are not reached at all."""
    ports = {service: scaled.inspect(service, "{{len .HostConfig.PortBindings}}") for service in SERVICES}

    assert {service: "2" if service == "nginx" else "0" for service in SERVICES} == ports


def test_password_is_made_once(scaled: Stack) -> None:
    """Running the one-shot again, as every `up` does, leaves the password alone; no environment holds it."""
    lines = scaled.compose("run", "--rm", "-T", "database-secret").splitlines()
    password = scaled.execute("database", "cat", "/keys/database/password")
    environments = [scaled.inspect(service, "{{.Config.Env}}") for service in SERVICES]

    assert ["exists, left alone"] * 2 == [line.split(": ")[1] for line in lines]
    assert [] == [text for text in environments if password in text]


async def test_failed_logins_are_counted_for_the_client(scaled: Stack) -> None:
    """The auth replicas take the client's address from nginx, and count failed log-ins in one Redis."""
    wrong = ACCOUNT | {"password": "wrong"}
    async with aiohttp.ClientSession(scaled.auth_url) as http, http.post("/login", json=wrong) as response:
        refused = response.status
    counters = scaled.execute("redis", "redis-cli", "dbsize")
    addresses = psql(scaled, "SELECT DISTINCT ip FROM sessions").split()

    assert (401, True) == (refused, int(counters) > 0)
    # The engine's gateway, where requests from this machine come from.
    assert [f"{scaled.environment['SCALE_NETWORK']}.1"] == addresses


def started(stack: Stack, service: str) -> None:
    """Start a container that was killed; return when it is healthy."""
    with stack.becoming_healthy([service]):
        stack.compose("start", service)


def restarted(stack: Stack, service: str) -> None:
    """Restart a container; return when it is healthy."""
    with stack.becoming_healthy([service]):
        stack.compose("restart", service)


def documented_commands(stack: Stack, folder: Path) -> list[str]:
    """Return the lines of the page that dump and restore, for this project and a folder."""
    page = (CHECKOUT / "docs" / "operations.md").read_text(encoding="utf-8")
    [block] = [block for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "pg_dump" in block]
    lines = [line.replace("auth.dump", str(folder / "auth.dump")) for line in block.splitlines()]
    return [line.replace("docker compose", shlex.join(stack.command), 1) for line in lines]


def shell(stack: Stack, line: str) -> None:
    """Run a line as an operator would."""
    run("sh", "-c", line, env=stack.environment)


def restored(stack: Stack, lines: list[str]) -> None:
    """Run the lines that stop the auth service, restore and start it; return when it is healthy."""
    with stack.becoming_healthy(AUTH):
        for line in lines:
            shell(stack, line)


def live_sessions(stack: Stack) -> int:
    """Return how many sessions nobody has ended."""
    return int(psql(stack, "SELECT count(*) FROM sessions WHERE revoked_at IS NULL"))


def psql(stack: Stack, query: str) -> str:
    """Return what the database answers."""
    url = "$(cat /keys/database/url | sed s/@database:/@127.0.0.1:/)"
    return stack.execute("database", "sh", "-c", f'psql -q -t -A -c "$0" "{url}"', query)
