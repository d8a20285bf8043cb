"""``get``: one signed request."""

from pathlib import Path
from typing import Annotated

import typer

from .account import Account
from .exit_codes import Exit, run
from .options import Auth, CaCert, Insecure, Keyring, Name, Timeout, TokenFile


def get(
    url: Annotated[str, typer.Argument(metavar="URL", help="The URL to call; only its origin gets the token.")],
    method: Annotated[
        str | None, typer.Option("-X", "--request", metavar="METHOD", help="Default: GET, or POST with a body.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "-d",
            "--data",
            metavar="DATA",
            help="Body: JSON if an object or list, else a form. @FILE, @-. Repeated: joined with &.",
        ),
    ] = None,
    json: Annotated[
        list[str] | None, typer.Option("--json", metavar="DATA", help="JSON body; sends Accept for JSON. @FILE, @-.")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(
            "-H",
            "--header",
            metavar="LINE",
            help="'Name: value'; 'Name:' sends none, 'Name;' an empty one. Repeatable.",
        ),
    ] = None,
    include: Annotated[bool, typer.Option("-i", "--include", help="Also print status and headers.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write the body to this file; -: standard output."),
    ] = None,
    auth: Auth = None,
    account: Name = "default",
    token_file: TokenFile = None,
    keyring: Keyring = False,
    allow_insecure: Insecure = False,
    timeout: Timeout = 30.0,
    cacert: CaCert = None,
) -> None:
    """Call a URL with the session's access token, refreshed if necessary. The options are curl's."""
    chosen = Account(auth, account, token_file, keyring, allow_insecure, timeout, cacert)

    async def work() -> Exit:
        from .fetch import Fetch

        parts = (data or [], json or [], header or [])
        fetch = Fetch(url, method, *parts, include, output, timeout, allow_insecure, cacert)
        async with chosen.source() as tokens:
            return await fetch.run(tokens)

    run(work())
