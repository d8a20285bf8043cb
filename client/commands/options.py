"""The options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

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
CaCert = Annotated[
    Path | None,
    typer.Option(
        "--cacert",
        metavar="FILE",
        envvar="DUALTOKEN_CACERT",
        help="PEM file of the authorities to trust instead of the system's.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")]
