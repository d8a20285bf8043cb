"""The options of ``python -m client loadtest``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..commands.account import DEFAULT_AUTH_URL
from ..commands.exit_codes import Exit, run
from ..commands.invocation import require_extra
from ..errors import ConfigurationError
from .options import DEFAULT_API_URL, DEFAULT_DURATION_S, Options, Scenario

_LIBRARIES = ("hdrh", "plotly") if sys.platform == "win32" else ("hdrh", "plotly", "uvloop")


Auth = Annotated[
    str, typer.Option("--auth", metavar="URL", envvar="DUALTOKEN_AUTH_URL", help="URL of the auth service.")
]
Api = Annotated[str, typer.Option("--api", metavar="URL", help="URL of the resource service.")]
User = Annotated[str, typer.Option("--user", "-u", metavar="NAME", help="The account of all sessions.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", metavar="FILE", help="Read the password from this file."),
]
SelfContained = Annotated[bool, typer.Option("--self-contained", help="Start both services for the run.")]
AuthPort = Annotated[
    int, typer.Option("--auth-port", min=0, max=65535, help="With --self-contained; 0: any free port.")
]
ResourcePort = Annotated[int, typer.Option("--resource-port", min=0, max=65535, help="Likewise.")]
What = Annotated[Scenario, typer.Option(help="What to request; mixed: 90 % read, 8 % upload, 1 % refresh, 1 % login.")]
Users = Annotated[int, typer.Option(metavar="N", help="Independent sessions.")]
Concurrency = Annotated[int, typer.Option(metavar="N", help="Maximum concurrent requests.")]
Duration = Annotated[
    float | None, typer.Option(metavar="SECONDS", help=f"[default: {DEFAULT_DURATION_S:g}, without --requests]")
]
Requests = Annotated[int | None, typer.Option(metavar="N", help="Stop after this many, instead of a duration.")]
ExpireEvery = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Expire all access tokens at this interval.")
]
Rate = Annotated[
    float | None,
    typer.Option(metavar="PER_SECOND", help="Open model: arrivals at this rate, latency from each due time."),
]
Processes = Annotated[int, typer.Option(metavar="N", help="Processes that generate load; 0: one for every two cores.")]
Timeout = Annotated[float, typer.Option(metavar="SECONDS", help="For one request.")]
BodyBytes = Annotated[int, typer.Option(metavar="N", help="Size of an upload.")]
AllowInsecure = Annotated[bool, typer.Option("--allow-insecure", help="Permit plain http to other machines.")]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures there.")]
HtmlFile = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the report there.")]


def loadtest(
    auth: Auth = DEFAULT_AUTH_URL,
    api: Api = DEFAULT_API_URL,
    user: User = "",
    password_file: PasswordFile = None,
    self_contained: SelfContained = False,
    auth_port: AuthPort = 0,
    resource_port: ResourcePort = 0,
    scenario: What = Scenario.READ,
    users: Users = 10,
    concurrency: Concurrency = 50,
    duration: Duration = None,
    requests: Requests = None,
    expire_every: ExpireEvery = None,
    rate: Rate = None,
    processes: Processes = 0,
    timeout: Timeout = 30.0,
    body_bytes: BodyBytes = 64 * 1024,
    allow_insecure: AllowInsecure = False,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
) -> None:
    """Load both services with real clients, and check: no failure, one refresh for each session and expiry.

    Reads the password from a prompt or as one line of standard input; no option takes it. Exit status 1: a request
    failed, or there were more refreshes than expired tokens. 2: the run could not start.
    """

    async def work() -> Exit:
        require_extra("loadtest", *_LIBRARIES)
        from rich.console import Console

        from .command import Command

        if not user and not self_contained:
            raise ConfigurationError("no account: name one with --user, or use --self-contained")
        options = Options(
            auth_url=auth, api_url=api, username=user, scenario=scenario, users=users, concurrency=concurrency,
            duration_s=DEFAULT_DURATION_S if duration is None and requests is None else duration, requests=requests,
            expire_every_s=expire_every, rate=rate, processes=processes, timeout_s=timeout, body_bytes=body_bytes,
            allow_insecure=allow_insecure,
        )  # fmt: skip
        ports = (auth_port, resource_port)
        command = Command(options, self_contained, ports, password_file, json_file, html_file)
        return await command.run(Console(stderr=True))

    run(work())
