"""Who is told of refreshes and of the end of a session."""

import asyncio

import pytest

from dualtoken.client import LoginRequired, Tokens
from tests.client.conftest import MakeSource
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.pair import Control
from tests.deadline import HANGS_S


async def test_on_refresh_is_called_once_for_each_refresh(make_source: MakeSource) -> None:
    """With the new tokens; however many callers waited."""
    seen: list[str] = []
    source = make_source(on_refresh=lambda tokens: seen.append(tokens.access_token))
    await source.login("zs", PASSWORD)
    for rejected in ("at-1", "at-2"):
        await asyncio.gather(*(source.token(rejected=rejected) for _ in range(20)))
    await source.aclose()

    assert ["at-2", "at-3"] == seen


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_on_login_required_is_called_once_for_each_end(
    make_source: MakeSource, pair: Control, asynchronous: bool
) -> None:
    """Not once for each caller, nor again until there was another session."""
    reasons: list[str] = []

    async def note(error: LoginRequired) -> None:
        await asyncio.sleep(0)
        reasons.append(error.reason)

    source = make_source(on_login_required=note if asynchronous else lambda error: reasons.append(error.reason))
    for _ in range(2):
        dead = (await source.login("zs", PASSWORD)).access_token
        await pair.end_sessions()
        for _ in range(3):
            tokens = [source.token(rejected=dead) for _ in range(5)]
            assert {"revoked"} == {
                str(error).split()[-1] for error in await asyncio.gather(*tokens, return_exceptions=True)
            }
    await source.aclose()

    assert ["revoked", "revoked"] == reasons


async def test_a_logout_is_no_reason_to_call_back(make_source: MakeSource) -> None:
    """Who logs out knows."""
    reasons: list[LoginRequired] = []
    source = make_source(on_login_required=reasons.append)
    await source.login("zs", PASSWORD)
    await source.logout()
    with pytest.raises(LoginRequired):
        await source.token()
    await source.aclose()

    assert [] == reasons


async def test_a_callback_may_call_back(make_source: MakeSource, pair: Control) -> None:
    """A new login from on_login_required, and a token from on_refresh, do not wait for themselves."""
    tokens: list[str] = []
    logged_in = asyncio.Event()

    async def log_in(_: LoginRequired) -> None:
        await source.login("zs", PASSWORD)
        logged_in.set()

    async def take(_: Tokens) -> None:
        tokens.append(await source.token())

    source = make_source(on_login_required=log_in, on_refresh=take)
    await source.login("zs", PASSWORD)
    await source.token(rejected="at-1")
    await pair.end_sessions()
    with pytest.raises(LoginRequired):
        await source.token(rejected="at-2")
    await asyncio.wait_for(logged_in.wait(), HANGS_S)

    assert (["at-2"], "at-3") == (tokens, await source.token())


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_callback_that_fails_harms_nobody(
    make_source: MakeSource, caplog: pytest.LogCaptureFixture, asynchronous: bool
) -> None:
    """It is logged and counted."""

    def fail(_: Tokens) -> None:
        raise ValueError("in the callback")

    async def fail_later(tokens: Tokens) -> None:
        fail(tokens)

    source = make_source(on_refresh=fail_later if asynchronous else fail)
    await source.login("zs", PASSWORD)

    assert "at-2" == await source.token(rejected="at-1")
    await source.aclose()
    assert (1, True) == (source.stats.callback_failures, "in the callback" in caplog.text)


async def test_a_slow_callback_holds_nobody_up(make_source: MakeSource) -> None:
    """Callers go on while it runs."""
    release = asyncio.Event()

    async def wait(_: Tokens) -> None:
        await release.wait()

    source = make_source(on_refresh=wait)
    await source.login("zs", PASSWORD)

    assert "at-2" == await source.token(rejected="at-1")
    assert "at-3" == await source.token(rejected="at-2")
    release.set()


async def test_a_callback_may_close_the_source(make_source: MakeSource) -> None:
    """It does not wait for itself."""
    closed = asyncio.Event()

    async def close(_: Tokens) -> None:
        await source.aclose(grace_s=1)
        closed.set()

    source = make_source(on_refresh=close)
    await source.login("zs", PASSWORD)
    await source.token(rejected="at-1")

    assert await asyncio.wait_for(closed.wait(), HANGS_S)


async def test_callbacks_of_one_source_run_one_after_another(make_source: MakeSource, pair: Control) -> None:
    """In the order of what happened: a slow one is not overtaken by the next."""
    steps: list[str] = []
    release = asyncio.Event()

    async def note(tokens: Tokens) -> None:
        steps.append(f"begin {tokens.access_token}")
        await release.wait()
        steps.append(f"end {tokens.access_token}")

    source = make_source(on_refresh=note, on_login_required=lambda error: steps.append(error.reason))
    await source.login("zs", PASSWORD)
    for rejected in ("at-1", "at-2"):
        await source.token(rejected=rejected)
    await pair.end_sessions()
    with pytest.raises(LoginRequired):
        await source.token(rejected="at-3")
    release.set()
    await source.aclose()

    assert ["begin at-2", "end at-2", "begin at-3", "end at-3", "revoked"] == steps
