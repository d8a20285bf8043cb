"""The options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Auth = Annotated[
    str | None, typer.Option("--auth", metavar="URL", envvar="DUALTOKEN_AUTH_URL", help="URL of the auth service.")
]
Name = Annotated[
    str,
    typer.Option(
        "--account",
        metavar="NAME",
        envvar="DUALTOKEN_ACCOUNT",
        help="Name of the session, to keep several users of one service.",
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", metavar="FILE", envvar="DUALTOKEN_TOKEN_FILE", help="Where tokens are stored."),
]
Keyring = Annotated[bool, typer.Option("--keyring", help="Keep tokens in the system's key ring instead of a file.")]
Insecure = Annotated[bool, typer.Option("--allow-insecure", help="Permit plain http to other machines.")]
Timeout = Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="Time limit of one request.")]
CaCert = Annotated[
    Path | None,
    typer.Option(
        "--cacert",
        metavar="FILE",
        envvar="DUALTOKEN_CACERT",
        help="PEM file of the authorities to trust instead of the system's.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")]
