"""Drive a Compose project: docker-compose 1.29 or the Compose plugin, whichever this machine has."""

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.ports import held_ports

CHECKOUT = Path(__file__).parents[2]
SERVICES = ("auth", "resource", "web")
OURS = ("AUTH_", "RESOURCE_", "WEB_", "SCALE_", "COMPOSE_")
BUILD_S = 900
UP_S = 300
COMMAND_S = 120
HEALTHY_S = 120


class StackError(Exception):
    """A command failed, or a container did not become healthy; the message holds the output."""


def run(*command: str, stdin: str = "", env: Mapping[str, str] | None = None, timeout_s: float = COMMAND_S) -> str:
    """Run *command* in the checkout and return its standard output.

    Raises:
        StackError: it failed, or took longer than *timeout_s*.
    """
    try:
        done = subprocess.run(
            command, input=stdin, env=env, timeout=timeout_s, cwd=CHECKOUT, text=True, capture_output=True, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise StackError(f"{' '.join(command)}: took longer than {timeout_s} s") from exc
    if done.returncode:
        raise StackError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def compose_command() -> tuple[str, ...]:
    """Return how Compose is called here."""
    candidates = [("docker", "compose"), ("docker-compose",)]
    for command in candidates:
        if (
            shutil.which(command[0])
            and subprocess.run([*command, "version"], check=False, capture_output=True).returncode == 0
        ):
            return command
    raise StackError("neither `docker compose` nor `docker-compose` runs here")


@dataclass(frozen=True)
class Stack:
    """A project that is up."""

    project: str
    command: tuple[str, ...]
    environment: dict[str, str]
    auth_url: str
    resource_url: str
    web_url: str

    @classmethod
    @contextmanager
    def running(
        cls, *, override: str | None = None, services: Sequence[str] = SERVICES, **settings: str
    ) -> Iterator[Self]:
        """Build, bring up, wait until healthy; in the end, take down all that was made.

        Args:
            override: a Compose file of the checkout that is laid over the first.
            services: those that have to become healthy.
            settings: environment variables that the Compose files read.
        """
        project = f"dualtoken-test-{secrets.token_hex(4)}"
        # What a developer has set for other runs must not reach this one; neither must a .env file.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
        images = {f"{service.upper()}_IMAGE": f"{project}-{service}" for service in SERVICES}
        with tempfile.NamedTemporaryFile(suffix=".env") as nothing, held_ports(len(SERVICES)) as ports:
            addresses = [f"127.0.0.1:{port}" for port in ports]
            published = {f"{s.upper()}_PUBLISH": address for s, address in zip(SERVICES, addresses, strict=True)}
            files = ("--file", "docker-compose.yml", "--file", override) if override else ()
            command = (*compose_command(), *files, "--project-name", project, "--env-file", nothing.name)
            environment = inherited | settings | images | published
            stack = cls(project, command, environment, *(f"http://{address}" for address in addresses))
            try:
                stack.compose("build", timeout_s=BUILD_S)
                with stack.becoming_healthy(services):
                    stack.compose("up", "-d", "--no-build", timeout_s=UP_S)
                yield stack
            finally:
                stack.compose("down", "--volumes", "--remove-orphans")
                run("docker", "image", "rm", "--force", *(stack.image(service) for service in SERVICES))

    def compose(self, *arguments: str, stdin: str = "", timeout_s: float = COMMAND_S) -> str:
        """Run a Compose command on this project and return its standard output."""
        return run(*self.command, *arguments, stdin=stdin, env=self.environment, timeout_s=timeout_s)

    def execute(self, service: str, *command: str, stdin: str = "") -> str:
        """Run *command* in the container of *service*, as the user that the service runs as."""
        return self.compose("exec", "-T", service, *command, stdin=stdin)

    def container(self, service: str) -> str:
        """Return the id of the container of *service*."""
        labels = {"project": self.project, "service": service, "oneoff": "False"}
        filters = [f"--filter=label=com.docker.compose.{name}={value}" for name, value in labels.items()]
        return run("docker", "ps", "--all", "--quiet", "--no-trunc", *filters).strip()

    def image(self, service: str) -> str:
        """Return the tag of the image of *service*."""
        return self.environment[f"{service.upper()}_IMAGE"]

    def inspect(self, service: str, template: str) -> str:
        """Return what `docker inspect` says of the container, in the words of a Go template."""
        return run("docker", "inspect", "--format", template, self.container(service)).strip()

    @contextmanager
    def becoming_healthy(self, services: Iterable[str]) -> Iterator[None]:
        """After the block, wait until the engine has said of each service that it became healthy.

        Raises:
            StackError: one did not within ``HEALTHY_S``; the message ends with the logs.
        """
        since = time.time()
        yield
        waiting = {self.container(service): service for service in services}
        for container in self._healthy_since(since):
            waiting.pop(container, None)
            if not waiting:
                return
        raise StackError(f"not healthy: {', '.join(waiting.values())}\n{self.compose('logs', '--no-color')}")

    def _healthy_since(self, since: float) -> Iterator[str]:
        """Yield the ids of containers as they become healthy: first those that did already."""
        command = [
            "docker", "events", "--since", f"{since:.9f}", "--until", f"{since + HEALTHY_S:.9f}",
            "--filter", f"label=com.docker.compose.project={self.project}",
            "--filter", "event=health_status", "--format", "{{.ID}} {{.Status}}",
        ]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as events:
            assert events.stdout is not None
            try:
                for line in events.stdout:
                    container, status = line.strip().split(" ", 1)
                    if status.endswith(": healthy"):
                        yield container
            finally:
                events.terminate()
