"""``python -m client loadtest``: from options to an exit status."""

import contextlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich.console import Console

from ..commands.exit_codes import Exit
from ..commands.prompt import ask
from ..errors import ConfigurationError
from ..playground.services import ServiceFailed, running_services
from .options import Options, check_writable
from .report import write_html
from .runner import Runner, check
from .view import conclude, figures

ACCESS_TTL_S: Final = 3600  # of services started for the test: expiry comes from --expire-every, not by chance


@dataclass(frozen=True, slots=True)
class Command:
    """What the command line says beside the load itself.

    Attributes:
        self_contained: start both services for the time of the run.
        ports: for them; 0: any free one.
    """

    options: Options
    self_contained: bool
    ports: tuple[int, int]
    password_file: Path | None
    json_file: Path | None
    html_file: Path | None

    async def run(self, console: Console) -> Exit:
        """Run the load test, print and write what it came to.

        Returns:
            FAILED if a claim did not hold.

        Raises:
            ConfigurationError: something is wrong that could be known before any load.
        """
        for path in (self.json_file, self.html_file):
            if path is not None:
                check_writable(path)
        async with self._services(console) as (options, password):
            await check(options, password)
            console.print(f"auth service {options.auth_url}   resource service {options.api_url}", highlight=False)
            result = await Runner(options, password, console).run()
        console.print(figures(result, result.elapsed_s))
        conclude(console, result)
        if self.json_file is not None:
            self.json_file.write_text(json.dumps(result.as_dict(), indent=2) + "\n", encoding="utf-8")
        if self.html_file is not None:
            write_html(self.html_file, result)
            console.print(f"report: {self.html_file}", highlight=False, soft_wrap=True)
        return Exit.FAILED if result.failures() else Exit.OK

    @asynccontextmanager
    async def _services(self, console: Console) -> AsyncIterator[tuple[Options, str]]:
        """Yield the options with the services' addresses, and the password."""
        if not self.self_contained:
            yield self.options, self._password()
            return
        with console.status("starting both services on SQLite"):
            stack = contextlib.AsyncExitStack()
            try:
                services = await stack.enter_async_context(
                    running_services(access_ttl_s=ACCESS_TTL_S, auth_port=self.ports[0], resource_port=self.ports[1])
                )
            except ServiceFailed as error:
                said, *log = str(error).splitlines()
                raise ConfigurationError(" ".join([said, *log[-1:]])) from error  # its last line says why
        async with stack:
            yield (
                replace(self.options, auth_url=services.auth_url, api_url=services.api_url, username=services.username),
                services.password,
            )

    def _password(self) -> str:
        """Read the password of the account.

        Raises:
            ConfigurationError: there is none.
        """
        if self.password_file is not None:
            try:
                text = self.password_file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                raise ConfigurationError(f"{self.password_file} cannot be read") from None
        elif sys.stdin.isatty():
            text = ask("Password", hide_input=True)
        else:
            text = sys.stdin.readline()
        password = text.rstrip("\r\n")
        if not password:
            raise ConfigurationError(
                "no password: give it at the prompt, as a line of standard input, or --password-file"
            )
        return password
