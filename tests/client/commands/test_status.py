"""``dualtoken status``, ``logout``, and what holds for every command."""

import json
from pathlib import Path

import pytest

from dualtoken.client.commands.exit_codes import Exit
from tests.client.commands.running import Done, Run, content, fill
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control


@pytest.mark.usefixtures("logged_in")
async def test_status_says_who_until_when_and_how_often(run: Run, pair: Control) -> None:
    """For people, without asking anybody."""
    await pair.set(expires_in=2 * 86400)
    await pair.expire()
    await run("get", f"{pair.api_url}/things")
    await pair.expire()
    done = await run("status")
    text = done.out.decode()

    assert Exit.OK == done.code
    assert f"{pair.auth_url}/" in text
    assert "zs <zs@example.org>" in text
    assert "1 d 23 h left" in text
    assert "6 d 23 h left" in text
    assert ["refreshes", "so", "far", "1"] == text.splitlines()[-1].split()


@pytest.mark.usefixtures("logged_in")
async def test_status_as_json(run: Run, pair: Control) -> None:
    """For programs: one object."""
    report = json.loads((await run("status", "--json")).out)

    assert {
        "auth_url": f"{pair.auth_url}/",
        "logged_in": True,
        "ended": None,
        "username": "zs",
        "email": "zs@example.org",
        "scope": "read write",
        "refreshes": 0,
    } == {name: value for name, value in report.items() if not name.endswith(("_until", "_left_s"))}
    assert 0 < report["access_left_s"] <= 3600
    assert report["access_until"].endswith("+00:00")


async def test_status_without_a_session_is_code_3(run: Run) -> None:
    """The JSON says so, too."""
    assert Done(Exit.LOGIN_REQUIRED, b"", "not logged in\n") == await run("status")
    done = await run("status", "--json")
    assert (Exit.LOGIN_REQUIRED, False) == (done.code, json.loads(done.out)["logged_in"])


@pytest.mark.usefixtures("logged_in")
async def test_status_of_an_ended_session_says_why(run: Run, pair: Control) -> None:
    """The reason stands in the token file."""
    await pair.end_sessions()
    await run("get", f"{pair.api_url}/things")
    done = await run("status", "--auth", pair.auth_url)

    assert Done(Exit.LOGIN_REQUIRED, b"", f"not logged in at {pair.auth_url}/ (revoked)\n") == done


@pytest.mark.usefixtures("logged_in")
@pytest.mark.usefixtures("logged_in")
async def test_several_sessions_have_to_be_told_apart(run: Run, pair: Control) -> None:
    """The message lists them."""
    local = pair.auth_url.replace("127.0.0.1", "localhost")
    await run("login", "--auth", local, "--user", "other", line=f"{PASSWORD}\n")
    done = await run("status")

    assert Exit.USAGE == done.code
    assert f"{pair.auth_url}/, {local}/" in done.err
    assert Exit.OK == (await run("status", "--auth", local)).code


@pytest.mark.usefixtures("logged_in")
async def test_accounts_tell_users_of_one_service_apart(run: Run, pair: Control) -> None:
    """--account names the session."""
    await run("login", "--account", "second", "--auth", pair.auth_url, "--user", "other", line=f"{PASSWORD}\n")

    assert ["zs", "other"] == [
        json.loads((await run("status", "--json", "--account", name)).out)["username"] for name in ("default", "second")
    ]


@pytest.mark.usefixtures("logged_in")
async def test_logout_ends_the_session(run: Run, pair: Control) -> None:
    """Here and there; a second one has nothing to do."""
    assert Done(Exit.OK, b"", "logged out\n") == await run("logout")
    assert {"live_sessions": 0} == await pair.counts("live_sessions")
    assert Exit.LOGIN_REQUIRED == (await run("logout")).code


@pytest.mark.usefixtures("logged_in")
async def test_logout_everywhere_ends_all_sessions(run: Run, pair: Control) -> None:
    """Those of other devices, too."""
    await run("login", "--account", "second", "--auth", pair.auth_url, "--user", "zs", line=f"{PASSWORD}\n")

    assert Done(Exit.OK, b"", "logged out everywhere\n") == await run("logout", "--everywhere")
    assert {"live_sessions": 0} == await pair.counts("live_sessions")


@pytest.mark.usefixtures("logged_in")
async def test_logout_without_the_service_is_code_4(run: Run, pair: Control) -> None:
    """The tokens are gone here, and the message says what could not be done."""
    await pair.fault("logout", Fault("status", status=503, retry_after="7"))
    done = await run("logout")

    expected = (
        "logged out here; the auth service could not be told: logout: the auth service answered 503: try again in 7 s\n"
    )
    assert Done(Exit.UNAVAILABLE, b"", expected) == done
    assert Exit.LOGIN_REQUIRED == (await run("status")).code


async def test_a_foreign_token_file_is_set_aside(run: Run, pair: Control, token_file: Path) -> None:
    """Two lines: what became of it, and what to do; no traceback."""
    token_file.parent.mkdir()
    fill(token_file, b"mine!")
    done = await run("get", f"{pair.api_url}/things")

    assert (Exit.LOGIN_REQUIRED, 2) == (done.code, done.err.count("\n"))
    assert f"it is now {token_file}.set-aside-1; log in again" in done.err


async def test_a_storage_that_fails_is_code_6(run: Run, token_file: Path) -> None:
    """Whichever command reads it: here a file that cannot be set aside."""
    token_file.with_name(f"{token_file.name}.lock").mkdir(parents=True)
    fill(token_file, b"mine!")
    done = [await run(*command) for command in (["status"], ["status", "--auth", "http://127.0.0.1:9"], ["accounts"])]

    assert [Done(Exit.STORAGE, b"", "dualtoken: stored tokens cannot be read: Is a directory\n")] * 3 == done


@pytest.mark.usefixtures("logged_in")
async def test_a_terminal_is_sent_text_alone(run: Run, token_file: Path) -> None:
    """Whatever stands in the token file, by a service's word or another's."""
    document = content(token_file)
    (key, session), evil = document["accounts"].popitem(), "\x1b[2J\n"
    session["tokens"] |= {"scope": evil, "user": {"username": evil, "email": evil}}
    ended = {"tokens": None, "ended": evil}
    document["accounts"] = {key: session, f"{evil} {evil}": session, f"{key}2": ended}
    fill(token_file, json.dumps(document).encode())
    done = [await run(*command) for command in (["status"], ["accounts"], ["status", "--account", "default2"])]

    assert [] == [output for output in done if "\x1b" in output.out.decode() + output.err]
    assert [6, 3, 0] == [len(output.out.splitlines()) for output in done]


async def test_help_lists_the_commands(run: Run) -> None:
    """And only what there is."""
    text = (await run("--help")).out.decode()

    assert ["login", "get", "token", "status", "accounts", "logout", "demo", "up", "web", "loadtest"] == [
        line.split()[1]
        for line in text.splitlines()
        if line.startswith("│ ") and line[2] != " " and "-" not in line[:4]
    ]


@pytest.mark.usefixtures("logged_in")
async def test_no_command_shows_a_token(run: Run, pair: Control) -> None:
    """Neither on standard output nor on standard error."""
    await pair.expire()
    outputs = [
        await run(*words) for words in (["get", "-i", f"{pair.api_url}/things"], ["status"], ["status", "--json"])
    ]
    text = "".join(done.out.decode() + done.err for done in outputs)

    assert [] == [secret for secret in ("at-1", "at-2", "rt-1", "rt-2", PASSWORD) if secret in text]
