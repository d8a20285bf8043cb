import threading

import pytest
from prometheus_client import CollectorRegistry

from dualtoken_serving.metrics import exposition
from tests.auth_service.running import PASSWORD, Auth


async def test_live_while_the_loop_turns(auth: Auth) -> None:
    """Liveness asks nothing of the database."""
    auth.sql("ALTER TABLE sessions RENAME TO away")

    assert 200 == (await auth.client.get("/health/live")).status


async def test_ready_while_the_database_answers(auth: Auth) -> None:
    """Readiness is 200 with a database behind it."""
    assert 200 == (await auth.client.get("/health/ready")).status


async def test_not_ready_without_a_database(auth: Auth) -> None:
    """Readiness is 503 when the database cannot serve sessions, and 200 again when it can."""
    auth.sql("ALTER TABLE sessions RENAME TO away")
    response = await auth.client.get("/health/ready")
    auth.sql("ALTER TABLE away RENAME TO sessions")
    auth.clock.advance(1)

    assert (503, "unready") == (response.status, (await response.json())["status"])
    assert 200 == (await auth.client.get("/health/ready")).status


async def test_the_database_is_asked_once_a_second(auth: Auth) -> None:
    """Anybody may ask, as often as may be: the answer is that of the last second, good or bad."""
    statuses = [(await auth.client.get("/health/ready")).status]
    auth.sql("ALTER TABLE sessions RENAME TO away")
    for passed in (0.5, 0.5):
        auth.clock.advance(passed)
        statuses.append((await auth.client.get("/health/ready")).status)
    auth.sql("ALTER TABLE away RENAME TO sessions")
    statuses.append((await auth.client.get("/health/ready")).status)

    assert [200, 200, 503, 503] == statuses


async def test_metrics_are_put_together_once_a_second(auth: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks within it gets the same text, which another thread made."""
    threads: list[threading.Thread] = []

    def spied(registry: CollectorRegistry) -> bytes:
        threads.append(threading.current_thread())
        return exposition(registry)

    monkeypatch.setattr("dualtoken_serving.metrics.exposition", spied)
    texts = [await (await auth.client.get("/metrics")).text() for _ in range(2)]
    auth.clock.advance(1)
    texts.append(await (await auth.client.get("/metrics")).text())

    assert texts[0] == texts[1] != texts[2]
    assert 2 == len(threads)
    assert threading.main_thread() not in threads


async def test_metrics_count_what_happened(auth: Auth) -> None:
    """Log-ins, rotations by outcome and distance, and revocations are counted."""
    first = (await auth.log_in())["refresh_token"]
    await auth.rotate(await auth.rotate(first))
    await auth.refresh(first)
    await auth.refresh("x")
    await auth.post("/login", {"username": "zs", "password": "wrong"})

    response = await auth.client.get("/metrics")
    lines = (await response.text()).splitlines()

    assert "text/plain" == response.content_type
    assert {
        'auth_logins_total{outcome="succeeded"} 1.0',
        'auth_logins_total{outcome="refused"} 1.0',
        'auth_rotations_total{distance="0",outcome="rotated"} 2.0',
        'auth_rotations_total{distance="2",outcome="reused"} 1.0',
        'auth_rotations_total{distance="0",outcome="malformed"} 1.0',
        'auth_revocations_total{reason="reuse"} 1.0',
    } <= set(lines)


async def test_metrics_count_sessions_that_a_new_password_ends(auth: Auth) -> None:
    """A change of password counts each session that ended with the old one."""
    tokens, _, _ = [await auth.log_in() for _ in range(3)]
    body = {"current_password": PASSWORD, "new_password": "a fresh and longer password"}
    await auth.post("/password", body, headers={"Authorization": f"Bearer {tokens['access_token']}"})

    lines = (await (await auth.client.get("/metrics")).text()).splitlines()

    assert 'auth_revocations_total{reason="password_changed"} 2.0' in lines


async def test_metrics_count_log_outs(auth: Auth) -> None:
    """A log-out everywhere counts each session that it ended."""
    token = (await auth.log_in())["refresh_token"]
    await auth.log_in()
    await auth.post("/logout", {"token": token, "everywhere": True})

    lines = (await (await auth.client.get("/metrics")).text()).splitlines()

    assert 'auth_revocations_total{reason="logout"} 2.0' in lines
