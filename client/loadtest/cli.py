"""The options of ``python -m client loadtest``."""

import importlib.util
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from client.account import DEFAULT_AUTH_URL
from client.errors import ConfigurationError
from client.exits import Exit, run
from client.loadtest.options import DEFAULT_API_URL, DEFAULT_DURATION_S, Options, Scenario

_LIBRARIES = ("hdrh", "plotly")


def loadtest(
    auth: Annotated[
        str, typer.Option("--auth", metavar="URL", envvar="DUALTOKEN_AUTH_URL", help="Address of the auth service.")
    ] = DEFAULT_AUTH_URL,
    api: Annotated[
        str, typer.Option("--api", metavar="URL", help="Address of the resource service.")
    ] = DEFAULT_API_URL,
    user: Annotated[str, typer.Option("--user", "-u", metavar="NAME", help="The account of all sessions.")] = "",
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", metavar="FILE", help="Instead of the prompt or a line of standard input."),
    ] = None,
    self_contained: Annotated[
        bool, typer.Option("--self-contained", help="Start both services for the time of the run.")
    ] = False,
    auth_port: Annotated[
        int, typer.Option("--auth-port", min=0, max=65535, help="With --self-contained; 0: any free one.")
    ] = 0,
    resource_port: Annotated[int, typer.Option("--resource-port", min=0, max=65535, help="Likewise.")] = 0,
    scenario: Annotated[
        Scenario, typer.Option(help="What is asked for; mixed: 90 % read, 8 % upload, 1 % refresh, 1 % login.")
    ] = Scenario.READ,
    users: Annotated[int, typer.Option(metavar="N", help="Independent sessions.")] = 10,
    concurrency: Annotated[int, typer.Option(metavar="N", help="Requests under way at most.")] = 50,
    duration: Annotated[
        float | None, typer.Option(metavar="SECONDS", help=f"[default: {DEFAULT_DURATION_S:g}, without --requests]")
    ] = None,
    requests: Annotated[int | None, typer.Option(metavar="N", help="End after so many, instead of a duration.")] = None,
    expire_every: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Make all access tokens expire at this beat.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(metavar="PER_SECOND", help="Open model: arrivals at this rate, latency from when each was due."),
    ] = None,
    processes: Annotated[int, typer.Option(metavar="N", help="That make the load; 0: one for every two cores.")] = 0,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="For one request.")] = 30.0,
    body_bytes: Annotated[int, typer.Option(metavar="N", help="Size of an upload.")] = 64 * 1024,
    allow_insecure: Annotated[
        bool, typer.Option("--allow-insecure", help="Permit plain http to other machines.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures there.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the report there.")] = None,
) -> None:
    """Put both services under load by real clients, and judge: no failure, one refresh per session and expiry.

    The password is asked for, or read as one line of standard input; it is never an option. Exit status 1: a request
    failed, or there were more refreshes than tokens that had run out. 2: it could not begin.
    """

    async def work() -> Exit:
        # Against services on other machines the auth service's code is not needed, but these always are.
        if missing := [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]:
            raise ConfigurationError(f"{' and '.join(missing)} missing: pip install 'dualtoken[loadtest]'")
        from client.loadtest.command import Command

        if not user and not self_contained:
            raise ConfigurationError("whose sessions? Name the account with --user, or use --self-contained")
        options = Options(
            auth_url=auth,
            api_url=api,
            username=user,
            scenario=scenario,
            users=users,
            concurrency=concurrency,
            duration_s=DEFAULT_DURATION_S if duration is None and requests is None else duration,
            requests=requests,
            expire_every_s=expire_every,
            rate=rate,
            processes=processes,
            timeout_s=timeout,
            body_bytes=body_bytes,
            allow_insecure=allow_insecure,
        )
        ports = (auth_port, resource_port)
        command = Command(options, self_contained, ports, password_file, json_file, html_file)
        return await command.run(Console(stderr=True))

    run(work())
