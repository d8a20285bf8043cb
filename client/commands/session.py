"""``login``, ``token``, ``status``, ``accounts``, ``logout``: the commands about a session."""

import json
import sys
from typing import Annotated

import typer

from ..errors import AuthRejected, AuthUnavailable
from .account import DEFAULT_AUTH_URL, Account, not_stored, readable
from .exit_codes import Exit, run, sentence
from .options import AsJson, Auth, CaCert, Insecure, Keyring, Name, Timeout, TokenFile
from .prompt import ask, text
from .report import Report, printable


def login(
    auth: Auth = None,
    user: Annotated[
        str | None, typer.Option("--user", "-u", metavar="NAME", help="User name; asked for if missing.")
    ] = None,
    account: Name = "default",
    token_file: TokenFile = None,
    keyring: Keyring = False,
    allow_insecure: Insecure = False,
    timeout: Timeout = 30.0,
    cacert: CaCert = None,
    bind: Annotated[
        bool, typer.Option("--bind", help="Bind the session to a key, so that a stolen refresh token is worthless.")
    ] = False,
) -> None:
    """Open a session. Reads the password from a prompt or as one line of standard input; no option takes it."""
    chosen = Account(auth, account, token_file, keyring, allow_insecure, timeout, cacert)

    async def work() -> Exit:
        async with chosen.source(auth_url=auth or DEFAULT_AUTH_URL, bind=bind) as tokens:
            name = text(user, "user name") if user else ask("User name")
            opened = await tokens.login(name, ask("Password", hide_input=True))
            if tokens.stats.save_failures:
                raise not_stored(chosen.storage())
        _say(f"logged in as {printable(opened.user.username if opened.user else name)}")
        return Exit.OK

    run(work())


def token(
    auth: Auth = None,
    account: Name = "default",
    token_file: TokenFile = None,
    keyring: Keyring = False,
    allow_insecure: Insecure = False,
    timeout: Timeout = 30.0,
    cacert: CaCert = None,
) -> None:
    """Print an access token, refreshed if necessary, for `curl -H "Authorization: Bearer $(dualtoken token)"`."""
    chosen = Account(auth, account, token_file, keyring, allow_insecure, timeout, cacert)

    async def work() -> Exit:
        async with chosen.source() as tokens:
            sys.stdout.write(f"{await tokens.token()}\n")
        return Exit.OK

    run(work())


def status(
    as_json: AsJson = False,
    auth: Auth = None,
    account: Name = "default",
    token_file: TokenFile = None,
    keyring: Keyring = False,
) -> None:
    """Show the user, the expiry and the refresh count. Makes no network request."""
    chosen = Account(auth, account, token_file, keyring)

    async def work() -> Exit:
        report = Report.of(*await chosen.stored())
        if as_json:
            sys.stdout.write(f"{json.dumps(report.as_dict())}\n")
        elif report.logged_in:
            sys.stdout.write(report.as_text())
        else:
            where = f" at {report.auth_url}" if report.auth_url else ""
            _say(printable(f"not logged in{where}" + (f" ({report.ended})" if report.ended else "")))
        return Exit.OK if report.logged_in else Exit.LOGIN_REQUIRED

    run(work())


def accounts(as_json: AsJson = False, token_file: TokenFile = None) -> None:
    """List the sessions of the token file. Makes no network request."""

    async def work() -> Exit:
        from ..storage.file import FileStorage

        stored = await readable(FileStorage(token_file).sessions())
        reports = [(name, Report.of(auth_url, session)) for (auth_url, name), session in stored.items()]
        if as_json:
            sys.stdout.write(f"{json.dumps([{'account': name} | report.as_dict() for name, report in reports])}\n")
        elif reports:
            lines = (f"{report.auth_url}  {name}  {report.as_words()}" for name, report in reports)
            sys.stdout.writelines(f"{printable(line)}\n" for line in lines)
        else:
            _say("no accounts")
        return Exit.OK

    run(work())


def logout(
    everywhere: Annotated[bool, typer.Option("--everywhere", help="End all sessions of the user.")] = False,
    auth: Auth = None,
    account: Name = "default",
    token_file: TokenFile = None,
    keyring: Keyring = False,
    allow_insecure: Insecure = False,
    timeout: Timeout = 30.0,
    cacert: CaCert = None,
) -> None:
    """End the session, here and at the auth service."""
    chosen = Account(auth, account, token_file, keyring, allow_insecure, timeout, cacert)

    async def work() -> Exit:
        async with chosen.source(proves=False) as tokens:  # whatever has become of the key
            try:
                await tokens.logout(everywhere=everywhere)
            except (AuthUnavailable, AuthRejected) as error:
                _say(f"logged out here; the auth service could not be told: {sentence(error)}")
                return Exit.UNAVAILABLE
        _say("logged out everywhere" if everywhere else "logged out")
        return Exit.OK

    run(work())


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
