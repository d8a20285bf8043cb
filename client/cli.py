"""The command line: ``python -m client``, or ``dualtoken``.

Exit codes: see :class:`client.exits.Exit`.
"""

import logging
import sys
from pathlib import Path
from typing import Annotated

import stamina
import typer
from rich.console import Console

from client import demo as demonstration
from client.account import DEFAULT_AUTH_URL, Account, not_stored
from client.errors import AuthRejected, AuthUnavailable
from client.exits import Exit, run, sentence
from client.fetch import Fetch
from client.loadtest.cli import loadtest
from client.page import DEFAULT_API_URL, DEFAULT_PORT, serve_page
from client.page import DEFAULT_AUTH_URL as DEFAULT_PAGE_AUTH_URL
from client.play import AUTH_PORT, RESOURCE_PORT, play
from client.report import Report

app = typer.Typer(
    help="Log in once, call anything: tokens renew themselves.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they show variables, and some hold tokens
)

Auth = Annotated[
    str | None, typer.Option("--auth", metavar="URL", envvar="DUALTOKEN_AUTH_URL", help="Address of the auth service.")
]
Name = Annotated[
    str,
    typer.Option(
        "--account", metavar="NAME", envvar="DUALTOKEN_ACCOUNT", help="Tells several users of one service apart."
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", metavar="FILE", envvar="DUALTOKEN_TOKEN_FILE", help="Where tokens are kept."),
]
Keyring = Annotated[bool, typer.Option("--keyring", help="Keep tokens in the system's key ring instead of a file.")]
Insecure = Annotated[bool, typer.Option("--allow-insecure", help="Permit plain http to other machines.")]
Timeout = Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="For one exchange.")]


@app.command()
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
) -> None:
    """Open a session. The password is asked for, or read as one line of standard input; it is never an option."""
    chosen = Account(auth, account, token_file, keyring, allow_insecure, timeout)

    async def work() -> Exit:
        tokens = await chosen.source(auth_url=auth or DEFAULT_AUTH_URL)
        name = user or typer.prompt("User name", err=True)
        async with tokens:
            opened = await tokens.login(name, _password())
            if tokens.stats.save_failures:
                raise not_stored(chosen.storage())
        _say(f"logged in as {opened.user.username if opened.user else name}")
        return Exit.OK

    run(work())


@app.command()
def get(
    url: Annotated[str, typer.Argument(metavar="URL", help="What to call; only its origin sees the token.")],
    method: Annotated[str | None, typer.Option("-X", "--request", metavar="METHOD", help="GET; POST with -d.")] = None,
    data: Annotated[
        str | None, typer.Option("-d", "--data", metavar="DATA", help="Body; @FILE, or @- for standard input.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("-H", "--header", metavar="LINE", help="'Name: value'; repeatable.")
    ] = None,
    include: Annotated[bool, typer.Option("-i", "--include", help="Print status and headers, too.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the body there.")] = None,
    auth: Auth = None,
    account: Name = "default",
    token_file: TokenFile = None,
    keyring: Keyring = False,
    allow_insecure: Insecure = False,
    timeout: Timeout = 30.0,
) -> None:
    """Call an address with the session's access token, renewed if need be."""
    chosen = Account(auth, account, token_file, keyring, allow_insecure, timeout)
    fetch = Fetch(url, method, data, header or [], include, output, timeout, allow_insecure)

    async def work() -> Exit:
        async with await chosen.source() as tokens:
            return await fetch.run(tokens)

    run(work())


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    auth: Auth = None,
    account: Name = "default",
    token_file: TokenFile = None,
    keyring: Keyring = False,
) -> None:
    """Say who is logged in, until when, and how often the session was renewed. Calls nobody."""
    chosen = Account(auth, account, token_file, keyring, True, 30.0)

    async def work() -> Exit:
        report = Report.of(*await chosen.stored())
        if as_json:
            sys.stdout.write(report.as_json() + "\n")
        elif report.logged_in:
            report.show(Console(soft_wrap=True))
        else:
            where = f" at {report.auth_url}" if report.auth_url else ""
            _say(f"not logged in{where}" + (f" ({report.ended})" if report.ended else ""))
        return Exit.OK if report.logged_in else Exit.LOGIN_REQUIRED

    run(work())


@app.command()
def logout(
    everywhere: Annotated[bool, typer.Option("--everywhere", help="End all sessions of the user.")] = False,
    auth: Auth = None,
    account: Name = "default",
    token_file: TokenFile = None,
    keyring: Keyring = False,
    allow_insecure: Insecure = False,
    timeout: Timeout = 30.0,
) -> None:
    """End the session, here and at the auth service."""
    chosen = Account(auth, account, token_file, keyring, allow_insecure, timeout)

    async def work() -> Exit:
        async with await chosen.source() as tokens:
            try:
                await tokens.logout(everywhere=everywhere)
            except (AuthUnavailable, AuthRejected) as error:
                _say(f"logged out here; the auth service could not be told: {sentence(error)}")
                return Exit.UNAVAILABLE
        _say("logged out everywhere" if everywhere else "logged out")
        return Exit.OK

    run(work())


@app.command()
def demo() -> None:
    """Show one refresh serving hundreds of requests at each expiry, and a thief ending the session."""

    async def work() -> Exit:
        return Exit.OK if await demonstration.run(Console()) else Exit.FAILED

    run(work())


@app.command()
def up(
    auth_port: Annotated[int, typer.Option("--auth-port", min=0, max=65535, help="0: any free one.")] = AUTH_PORT,
    resource_port: Annotated[
        int, typer.Option("--resource-port", min=0, max=65535, help="0: any free one.")
    ] = RESOURCE_PORT,
    page_port: Annotated[int, typer.Option("--page-port", min=0, max=65535, help="0: any free one.")] = DEFAULT_PORT,
) -> None:
    """Run both services and the web page for play, with a user, until Ctrl-C."""
    run(play(Console(), auth_port=auth_port, resource_port=resource_port, page_port=page_port))


@app.command()
def web(
    host: Annotated[
        str, typer.Option("--host", metavar="HOST", envvar="WEB_HOST", help="Where to listen.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="PORT", envvar="WEB_PORT", min=0, max=65535, help="0: any free one.")
    ] = DEFAULT_PORT,
    auth: Annotated[
        str,
        typer.Option("--auth", metavar="URL", envvar="WEB_AUTH_URL", help="The auth service, as browsers reach it."),
    ] = DEFAULT_PAGE_AUTH_URL,
    api: Annotated[
        str, typer.Option("--api", metavar="URL", envvar="WEB_API_URL", help="The resource service, likewise.")
    ] = DEFAULT_API_URL,
) -> None:
    """Serve the web page. Both services must list its origin: AUTH_CORS_ORIGINS, RESOURCE_CORS_ORIGINS."""
    run(serve_page(host=host, port=port, auth_url=auth, api_url=api))


app.command()(loadtest)


def _password() -> str:
    if sys.stdin.isatty():
        password: str = typer.prompt("Password", hide_input=True, err=True)
        return password
    return sys.stdin.readline().rstrip("\r\n")


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


def main() -> None:
    """Run the command line."""
    logging.basicConfig(format="dualtoken: %(message)s", level=logging.ERROR)
    stamina.instrumentation.set_on_retry_hooks([])  # the default one may print to standard output, where answers go
    app(prog_name="dualtoken")
