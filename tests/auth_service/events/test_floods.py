"""What strangers can cause without end leaves a line a second, and the counters have all of it."""

from collections.abc import Callable
from typing import Any

import pytest

from dualtoken.auth_service.domain.rotation import Kind, Outcome
from dualtoken.auth_service.events.events import Events
from tests.auth_service.conftest import StartAuth
from tests.auth_service.events.conftest import Stopped
from tests.auth_service.running import PASSWORD, Auth
from tests.connection import connected

pytestmark = pytest.mark.usefixtures("stopped")


def presented(kind: Kind) -> Callable[[Events], None]:
    """Return what raises the event of a presentation."""
    return lambda events: events.presented(Outcome(kind, distance=1), "sid")


ONCE = (Kind.ROTATE, Kind.CATCH_UP, Kind.REUSE)
EVENTS: dict[str, Callable[[Events], None]] = {
    "login.refused": lambda events: events.login_refused("192.0.2.1"),
    "attempt.throttled": lambda events: events.throttled("/login", "192.0.2.1"),
    "service.refused": lambda events: events.service_refused("/introspect", "192.0.2.1"),
    "page.refused": lambda events: events.page_refused("https://evil.example", "192.0.2.1"),
    "password.refused": lambda events: events.password_refused("sid", "u-1"),
    "proof.refused": lambda events: events.proof_refused("invalid_dpop_proof", "x", "192.0.2.1"),
    "rotation.malformed": lambda events: events.malformed(),
    "unavailable": lambda events: events.unavailable("no answer"),
    **{f"rotation.{kind.value}": presented(kind) for kind in Kind if kind not in ONCE},
}


@pytest.mark.parametrize("name", EVENTS)
def test_a_flood_leaves_a_line_a_second(name: str, stopped: Stopped, capsys: pytest.CaptureFixture[str]) -> None:
    """The line after a second tells how many were left out before it."""
    events = Events()
    for _ in range(100):
        EVENTS[name](events)
    stopped.now += 1
    EVENTS[name](events)
    lines = [line for line in capsys.readouterr().out.splitlines() if f" {name} " in line]

    assert 2 == len(lines)
    assert "omitted=0" in lines[0]
    assert "omitted=99" in lines[1]


@pytest.mark.parametrize("kind", ONCE)
def test_what_nobody_repeats_at_will_is_never_left_out(kind: Kind, capsys: pytest.CaptureFixture[str]) -> None:
    """A theft is told each time."""
    events = Events()
    for _ in range(3):
        presented(kind)(events)

    assert 3 == capsys.readouterr().out.count(f"rotation.{kind.value}")


def test_networks_do_not_hide_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    """Each address has a line of its own, a /64 of IPv6 as one."""
    events = Events()
    for _ in range(100):
        for ip in ("192.0.2.1", "2001:db8::1", "2001:db8::2"):
            events.throttled("/login", ip)
    events.throttled("/login", "192.0.2.2")

    assert 3 == capsys.readouterr().out.count("attempt.throttled")
    assert 301 == events.registry.get_sample_value("auth_throttled_attempts_total", {"route": "/login"})


def repeated(old: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the calls that a stranger, or a user with an old token, repeats without end."""
    return [
        ("/refresh", {"json": {"refresh_token": "nonsense"}}),
        ("/refresh", {"json": {"refresh_token": old}}),
        ("/refresh", {"data": b"{", "headers": {"Content-Type": "application/json"}}),
        ("/refresh", {"data": b"x", "headers": {"Content-Type": "text/plain"}}),
        ("/refresh", {"headers": {"Origin": "https://evil.example"}}),
        ("/refresh", {"json": {"refresh_token": old}, "headers": {"Idempotency-Key": "with space"}}),
        ("/logout", {"json": {"token": "nonsense"}}),
        ("/login", {"json": {"username": "zs", "password": "wrong"}}),
        ("/login", {"data": b"x" * 20_000, "headers": {"Content-Type": "application/json"}}),
        ("/introspect", {"json": {"token": "x"}}),
        ("/password", {"json": {}}),
        ("/nowhere", {"json": {}}),
    ]


async def send_nonsense(auth: Auth) -> None:
    """Send bytes that are no HTTP."""
    async with connected(auth.client.host, auth.client.port) as (reader, writer):
        writer.write(b"\0nonsense\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.")


async def test_no_refusal_fills_the_disk(start_auth: StartAuth, capsys: pytest.CaptureFixture[str]) -> None:
    """Of each kind of refusal that a stranger can cause, thirty leave one line at most; the counters have them all."""
    auth = await start_auth(login_failures=1000)
    old = (await auth.log_in())["refresh_token"]
    await auth.post("/logout", {"token": old})
    calls = repeated(old)
    capsys.readouterr()
    for path, options in calls * 30:
        assert (await auth.post(path, **options)).status < 500
    for _ in range(30):
        await send_nonsense(auth)
    lines = capsys.readouterr().out.splitlines()
    metrics = (await (await auth.client.get("/metrics")).text()).splitlines()

    assert len(lines) <= len(calls) + 1, lines
    assert 'auth_rotations_total{distance="0",outcome="malformed"} 30.0' in metrics
    assert 'auth_logins_total{outcome="refused"} 30.0' in metrics
    assert (await auth.post("/login", {"username": "zs", "password": PASSWORD})).status == 200


def test_several_abandoned_on_one_session_are_a_warning(stopped: Stopped, capsys: pytest.CaptureFixture[str]) -> None:
    """One is a request that was held up. Whoever hangs up again and again hides a replay."""
    events = Events()
    for session_id in ("sid", "other", "sid", "sid"):
        events.presented(Outcome(Kind.ABANDONED, distance=2), session_id)
        stopped.now += 1
    levels = [line.split()[2].strip("[") for line in capsys.readouterr().out.splitlines() if "abandoned" in line]

    assert ["info", "info", "warning", "warning"] == levels
