"""Two replicas of each service behind nginx: machines die under users, and the users do not notice."""

import asyncio
import secrets
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.compose.crowd import Crowd
from tests.compose.pages import run_on
from tests.compose.scaled import ACCOUNT, AUTH, REPLICAS, SERVICES, live_sessions, logged_in, psql, restarted, started
from tests.compose.stack import Stack, StackError, run
from tests.documentation.blocks import block
from tests.system.honest import Answer, present

REFRESHERS, VISITORS = 16, 6
_LOGIN_FAILURES = 10  # the default of AUTH_LOGIN_FAILURES, a minute


@pytest.fixture
async def crowd(scaled: Stack, tmp_path: Path) -> AsyncIterator[Crowd]:
    """Users with a session each, logged in through nginx."""
    numbers = {"refreshers": REFRESHERS, "visitors": VISITORS}
    async with Crowd.logged_in(scaled.auth_url, scaled.resource_url, ACCOUNT, tmp_path, **numbers) as crowd:
        yield crowd


async def test_kills_log_nobody_out(scaled: Stack, crowd: Crowd) -> None:
    """Each replica and then the database is killed under load and comes back: no session is lost, no visit fails."""
    before = live_sessions(scaled)
    async with crowd.busy():
        for service in (*REPLICAS, "database"):
            await asyncio.to_thread(scaled.compose, "kill", service)
            if service != "database":
                await crowd.everybody_is_served()
            await asyncio.to_thread(started, scaled, service)
            await crowd.everybody_is_served()

    assert [] == await crowd.judged()
    assert crowd.history.counts["retries"] > 0  # the outage of the database was one
    assert before - REFRESHERS == live_sessions(scaled)  # a thief has ended each refresher's


async def test_rolling_restart_fails_no_request(scaled: Stack, crowd: Crowd) -> None:
    """One replica after the other is restarted, each once the last is healthy: no request fails."""
    async with crowd.busy():
        for service in REPLICAS:
            await asyncio.to_thread(restarted, scaled, service)

    assert [] == await crowd.judged()
    assert 0 == crowd.history.counts["retries"]
    assert {visitor.name: 0 for visitor in crowd.visitors} == {
        visitor.name: visitor.tokens.stats.retries for visitor in crowd.visitors
    }


async def test_restore_keeps_honest_clients(scaled: Stack, tmp_path: Path) -> None:
    """The commands of docs/operations.md save and restore the database; whoever refreshed since the backup stays in.

    Whoever logged out since then is in again, until the operator ends the session before clients come back.
    """
    dump, restore = block("docs/operations.md: PostgreSQL"), block("docs/operations.md: PostgreSQL (2)")
    urls, folder = (scaled.auth_url, scaled.resource_url), tmp_path / "copies"
    folder.mkdir()
    async with (
        aiohttp.ClientSession(scaled.auth_url) as http,
        Crowd.logged_in(*urls, ACCOUNT, tmp_path, refreshers=4, visitors=2) as crowd,
    ):
        ended = await logged_in(http, ACCOUNT)
        async with crowd.busy():
            await asyncio.to_thread(run_on, scaled, dump, **{"> auth-": f"> {folder}/auth-"})
            await crowd.everybody_is_served()
        await http.post("/logout", json={"token": ended.refresh_token}, raise_for_status=True)
        [copy] = folder.iterdir()
        with scaled.becoming_healthy(AUTH):
            here = {" ID": f" {ended.sid}", "BACKUP.dump": str(copy)}
            await asyncio.to_thread(run_on, scaled, restore, **here)
        found = await crowd.judged()
        answer = await present(http, scaled.auth_url, ended.refresh_token)

    assert [] == found
    assert Answer(400, "invalid_grant", "revoked") == answer
    assert 0o600 == stat.S_IMODE(copy.stat().st_mode)
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


def test_passwords_are_made_once(scaled: Stack) -> None:
    """Running the one-shot again, as every `up` does, leaves the passwords alone; no environment holds one."""
    lines = scaled.compose("run", "--rm", "-T", "database-secret").splitlines()
    files = scaled.execute("database", "sh", "-c", "cat /keys/*/password").split("\n")
    environments = [scaled.inspect(service, "{{.Config.Env}}") for service in SERVICES]

    assert ["exists, left alone"] * 6 == [line.split(": ")[1] for line in lines]
    assert [] == [text for text in environments for password in files if password in text]


@pytest.mark.parametrize("service", AUTH)
def test_replicas_work_on_rows_alone(scaled: Stack, service: str) -> None:
    """A replica has the one password that opens no table's definition, and connects with that."""
    mounts = scaled.inspect(service, "{{range .Mounts}}{{.Name}} {{end}}").split()
    connected = psql(scaled, "SELECT DISTINCT usename FROM pg_stat_activity WHERE backend_type = 'client backend'")
    owners = psql(scaled, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
    most = psql(scaled, "SELECT bool_or(rolsuper OR rolcreaterole) FROM pg_roles WHERE rolname LIKE 'dualtoken%'")

    volumes = ("database-secret", "access-key", "refresh-key", "service-secret")
    assert {f"{scaled.project}_{name}" for name in volumes} == set(mounts)
    assert ("dualtoken", "dualtoken_owner", "f") == (connected.strip(), owners.strip(), most.strip())


def test_rows_cannot_be_reached_around(scaled: Stack) -> None:
    """With a replica's password nobody drops a table or reads PostgreSQL's own passwords."""
    for statement in ("DROP TABLE sessions", "SELECT * FROM pg_authid"):
        with pytest.raises(StackError, match=r"permission denied|must be owner"):
            psql(scaled, statement)


async def test_failed_logins_are_counted_for_the_client(scaled: Stack) -> None:
    """Ten failures end the guessing, over both replicas and whatever address the guesser claims to have.

    The replicas take the client's address from nginx, and count in one Redis.
    """
    name = f"guessed-{secrets.token_hex(4)}"
    wrong = {"username": name, "password": "wrong"}
    async with aiohttp.ClientSession(scaled.auth_url) as http:
        statuses = []
        for number in range(_LOGIN_FAILURES + 1):
            claim = {"X-Forwarded-For": f"192.0.2.{number}"}
            async with http.post("/login", json=wrong, headers=claim) as response:
                statuses.append(response.status)
        async with http.post("/login", json=ACCOUNT, headers={"X-Forwarded-For": "192.0.2.99"}) as response:
            assert 200 == response.status
    addresses = psql(scaled, "SELECT DISTINCT ip FROM sessions").split()

    assert [401] * _LOGIN_FAILURES + [429] == statuses
    # The engine's gateway, where requests from this machine come from.
    assert [f"{scaled.environment['SCALE_NETWORK']}.1"] == addresses
