"""``dualtoken token`` and ``accounts``, run as a user runs them."""

import json
import os

import pytest

from dualtoken.client.commands.exit_codes import Exit
from tests.client.commands.running import Done, Run
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.pair import Control


@pytest.mark.usefixtures("logged_in")
async def test_token_prints_the_access_token(run: Run) -> None:
    """And nothing else: it stands in the header of another program's call."""
    assert Done(Exit.OK, b"at-1\n", "") == await run("token")


async def test_token_renews_one_that_has_run_out(run: Run, pair: Control) -> None:
    """The refresh token that was spent for it is kept."""
    await pair.set(expires_in=0)
    await run("login", "--auth", pair.auth_url, "--user", "zs", line=f"{PASSWORD}\n")
    await pair.set(expires_in=3600)

    assert Done(Exit.OK, b"at-2\n", "") == await run("token")
    assert Done(Exit.OK, b"at-2\n", "") == await run("token")


async def test_token_without_a_session_is_code_3(run: Run) -> None:
    """Standard output stays empty, so that no header is made of an error."""
    expected = "dualtoken: no session: run `python -m client login`\n"

    assert Done(Exit.LOGIN_REQUIRED, b"", expected) == await run("token")


@pytest.mark.usefixtures("logged_in")
async def test_accounts_lists_the_sessions_of_the_file(run: Run, pair: Control) -> None:
    """Live and ended ones, with the address and the name that the other commands take; names may have spaces."""
    login = ["login", "--auth", pair.auth_url, "--user"]
    await run(*login, "other", "--account", "second one", line=f"{PASSWORD}\n")
    await run("logout", "--account", "default")
    done = await run("accounts")

    assert Exit.OK == done.code
    assert [
        f"{pair.auth_url}/  default  logged out (logged_out)",
        f"{pair.auth_url}/  second one  other <other@example.org>",
    ] == done.out.decode().splitlines()
    rows = json.loads((await run("accounts", "--json")).out)
    assert [("default", False), ("second one", True)] == [(row["account"], row["logged_in"]) for row in rows]
    assert {f"{pair.auth_url}/"} == {row["auth_url"] for row in rows}


async def test_an_account_of_any_name_is_one_line(run: Run, pair: Control) -> None:
    """What ends a line, moves a cursor or is no text at all is written as an escape."""
    login = ["login", "--auth", pair.auth_url, "--user", "zs\x1b[2J", "--account"]
    for name in ("two\nlines", "\x1b[31mred", os.fsdecode(b"\xff"), "张三", ""):
        await run(*login, name, line=f"{PASSWORD}\n")
    names = [r"two\nlines", r"\x1b[31mred", r"\udcff", "张三", ""]
    user = r"zs\x1b[2J <zs\x1b[2J@example.org>"

    done = await run("accounts")
    assert [f"{pair.auth_url}/  {name}  {user}" for name in names] == done.out.decode().splitlines()
    assert Done(Exit.OK, b"at-3\n", "") == await run("token", "--account", os.fsdecode(b"\xff"))


async def test_no_accounts_are_no_error(run: Run) -> None:
    """Standard output is empty, or an empty list."""
    assert Done(Exit.OK, b"", "no accounts\n") == await run("accounts")
    assert Done(Exit.OK, b"[]\n", "") == await run("accounts", "--json")
