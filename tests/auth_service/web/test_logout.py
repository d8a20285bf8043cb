import pytest

from tests.auth_service.running import Auth, reason_of

REVOKED = (400, "invalid_grant", "revoked")


async def log_out(auth: Auth, **body: object) -> tuple[int, dict[str, object]]:
    """Return status and body of a log-out."""
    response = await auth.post("/logout", body)
    return response.status, await response.json()


@pytest.mark.parametrize("member", ["token", "refresh_token"])
async def test_log_out_revokes_before_it_answers(auth: Auth, member: str) -> None:
    """A refresh token, under RFC 7009's name or its own, ends its session."""
    token = (await auth.log_in())["refresh_token"]

    assert (200, {}) == await log_out(auth, **{member: token})
    assert REVOKED == reason_of(await auth.refresh(token))


async def test_an_access_token_logs_out_as_well(auth: Auth) -> None:
    """RFC 7009's token may be an access token: its session ends."""
    tokens = await auth.log_in()

    assert (200, {}) == await log_out(auth, token=tokens["access_token"])
    assert REVOKED == reason_of(await auth.refresh(tokens["refresh_token"]))


async def test_a_dead_access_token_logs_nobody_out(auth: Auth) -> None:
    """An access token that has expired ends nothing."""
    tokens = await auth.log_in()
    auth.clock.advance(3600)

    assert (200, {}) == await log_out(auth, token=tokens["access_token"])
    assert 200 == (await auth.refresh(tokens["refresh_token"]))[0]


async def test_log_out_takes_a_form(auth: Auth) -> None:
    """RFC 7009 sends a form; a token_type_hint is ignored."""
    token = (await auth.log_in())["refresh_token"]
    response = await auth.post("/logout", data={"token": token, "token_type_hint": "access_token"})

    assert 200 == response.status
    assert REVOKED == reason_of(await auth.refresh(token))


async def test_other_sessions_go_on(auth: Auth) -> None:
    """A log-out ends one session, and no other of that user."""
    first, second = (await auth.log_in())["refresh_token"], (await auth.log_in())["refresh_token"]
    await log_out(auth, token=first)

    assert 200 == (await auth.refresh(second))[0]


@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
async def test_everywhere_ends_every_session_of_the_user(auth: Auth, kind: str) -> None:
    """With everywhere, one token ends all sessions of its user."""
    first, second = await auth.log_in(), await auth.log_in()

    assert (200, {}) == await log_out(auth, token=first[kind], everywhere=True)
    assert REVOKED == reason_of(await auth.refresh(first["refresh_token"]))
    assert REVOKED == reason_of(await auth.refresh(second["refresh_token"]))


async def test_everywhere_ends_no_session_of_another_user(auth: Auth) -> None:
    """Log-out everywhere is of one user."""
    token = (await auth.log_in())["refresh_token"]
    columns = "email, scope, password_hash, created_at"
    auth.sql(f"INSERT INTO users (id, username, {columns}) SELECT 'u-2', 'mk', {columns} FROM users")  # noqa: S608 - constants
    other = (await auth.log_in("mk"))["refresh_token"]
    await log_out(auth, token=token, everywhere=True)

    assert 200 == (await auth.refresh(other))[0]


async def test_everywhere_in_a_form_is_text(auth: Auth) -> None:
    """A form says everywhere=true."""
    first, second = (await auth.log_in())["refresh_token"], (await auth.log_in())["refresh_token"]
    await auth.post("/logout", data={"token": first, "everywhere": "true"})

    assert REVOKED == reason_of(await auth.refresh(second))


async def test_a_spent_refresh_token_ends_its_session(auth: Auth) -> None:
    """A client whose refresh answer was lost can still log out with what it has."""
    first = (await auth.log_in())["refresh_token"]
    second = await auth.rotate(first)

    assert (200, {}) == await log_out(auth, token=first)
    assert REVOKED == reason_of(await auth.refresh(second))


@pytest.mark.parametrize(("rotations", "others_end"), [(1, True), (2, False), (5, False)])
async def test_an_old_token_has_no_power_over_other_sessions(auth: Auth, rotations: int, others_end: bool) -> None:
    """Spent once, it is its owner's, whose answer may be lost; spent before that, it ends its own session alone."""
    first, other = (await auth.log_in())["refresh_token"], (await auth.log_in())["refresh_token"]
    newest = first
    for _ in range(rotations):
        newest = await auth.rotate(newest)

    assert (200, {}) == await log_out(auth, token=first, everywhere=True)
    assert REVOKED == reason_of(await auth.refresh(newest))
    assert others_end == (400 == (await auth.refresh(other))[0])


async def test_a_token_of_an_expired_session_has_no_power_over_other_sessions(auth: Auth) -> None:
    """Found years later, it logs nobody out."""
    old = (await auth.log_in())["refresh_token"]
    auth.clock.advance(604_800)
    other = (await auth.log_in())["refresh_token"]

    assert (200, {}) == await log_out(auth, token=old, everywhere=True)
    assert 200 == (await auth.refresh(other))[0]


async def test_a_revoked_token_has_no_power_over_other_sessions(auth: Auth) -> None:
    """A token of a session that has ended does not log its user out everywhere."""
    first, second = (await auth.log_in())["refresh_token"], (await auth.log_in())["refresh_token"]
    await log_out(auth, token=first)

    assert (200, {}) == await log_out(auth, token=first, everywhere=True)
    assert 200 == (await auth.refresh(second))[0]


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "dtr1_" + "A" * 56, "é\x00", "x" * 10_000])
async def test_any_other_token_gets_the_same_answer(auth: Auth, token: str) -> None:
    """Log-out is 200 whatever the token was (RFC 7009 §2.2)."""
    assert (200, {}) == await log_out(auth, token=token)


async def test_logging_out_twice_is_logging_out(auth: Auth) -> None:
    """The second log-out changes nothing, the time of revocation included."""
    token = (await auth.log_in())["refresh_token"]
    await log_out(auth, token=token)
    before = auth.sql("SELECT revoked_at, revoked_reason FROM sessions")
    auth.clock.advance(60)

    assert (200, {}) == await log_out(auth, token=token)
    assert before == auth.sql("SELECT revoked_at, revoked_reason FROM sessions")


@pytest.mark.parametrize("body", [{}, {"token": "x", "refresh_token": "x"}, {"token": "x", "everywhere": "maybe"}])
async def test_log_out_needs_one_token(auth: Auth, body: dict[str, object]) -> None:
    """No token, two tokens, or an everywhere that is no bool: 400 invalid_request."""
    status, answer = await log_out(auth, **body)

    assert 400 == status
    assert "invalid_request" == answer["error"]


async def test_a_database_that_does_not_answer_logs_nobody_out_silently(auth: Auth) -> None:
    """If the revocation cannot be written: 503, never 200."""
    token = (await auth.log_in())["refresh_token"]
    auth.sql("ALTER TABLE sessions RENAME TO away")

    assert 503 == (await log_out(auth, token=token))[0]
