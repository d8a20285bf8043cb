"""What a load test is to do."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from ..errors import ConfigurationError

DEFAULT_API_URL: Final = "http://127.0.0.1:8002"
DEFAULT_DURATION_S: Final = 10.0
INTERVALS: Final = 600  # at most, in the report of a run whose length is known
MIN_INTERVAL_S: Final = 0.5


class Scenario(StrEnum):
    """What the requests are."""

    READ = "read"
    UPLOAD = "upload"
    LOGIN = "login"
    REFRESH = "refresh"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Options:
    """The settings of one run, checked.

    Attributes:
        users: independent sessions, all of one account.
        concurrency: requests under way at most.
        duration_s: how long requests are begun; None if *requests* says when to stop.
        requests: how many are begun in all; None if *duration_s* says when to stop.
        expire_every_s: at each such beat all access tokens stop being good; None: only when they really expire.
        rate: arrivals per second (open model: each request's latency counts from the moment at which it was due);
            None: each request begins when the one before has ended (closed model).
        processes: that make the load; 0: one for every two cores.
        timeout_s: for one request.
        body_bytes: of an upload.

    Raises:
        ConfigurationError: a value that cannot work.
    """

    auth_url: str
    api_url: str
    username: str
    scenario: Scenario = Scenario.READ
    users: int = 10
    concurrency: int = 50
    duration_s: float | None = DEFAULT_DURATION_S
    requests: int | None = None
    expire_every_s: float | None = None
    rate: float | None = None
    processes: int = 0
    timeout_s: float = 30.0
    body_bytes: int = 64 * 1024
    allow_insecure: bool = False

    def __post_init__(self) -> None:
        if (self.duration_s is None) == (self.requests is None):
            raise ConfigurationError("either --duration or --requests says when to stop, not both")
        if self.processes < 0:
            raise ConfigurationError(f"--processes must be at least 1, or 0 to choose, not {self.processes}")
        for name, value in (
            ("--users", self.users),
            ("--concurrency", self.concurrency),
            ("--duration", self.duration_s),
            ("--requests", self.requests),
            ("--expire-every", self.expire_every_s),
            ("--rate", self.rate),
            ("--timeout", self.timeout_s),
            ("--body-bytes", self.body_bytes),
        ):
            if value is not None and not 0 < value < float("inf"):
                raise ConfigurationError(f"{name} must be more than 0, not {value:g}")
        self._check_addresses()

    def _check_addresses(self) -> None:
        # Loaded here: every command of the command line knows these options, and most read no address.
        from yarl import URL

        from ..wire.url_policy import auth_base, origins

        auth_base(self.auth_url, allow_insecure=self.allow_insecure)
        try:
            api = URL(self.api_url).origin()
        except ValueError:
            raise ConfigurationError("the API URL is not an address: write it like https://api.example") from None
        origins([api], allow_insecure=self.allow_insecure)

    @property
    def lanes(self) -> int:
        """Requests under way at most: of one session only one refresh can be at a time."""
        return min(self.concurrency, self.users) if self.scenario is Scenario.REFRESH else self.concurrency

    @property
    def interval_s(self) -> float:
        """Seconds that one point of the report stands for."""
        return max(MIN_INTERVAL_S, (self.duration_s or 0.0) / INTERVALS)

    def workers(self) -> int:
        """Return how many processes make the load: none without a session and a request of its own."""
        from .machine import usable_cores

        # Half of the cores: whoever tests on one machine needs the other half for the services.
        wanted = self.processes or max(1, usable_cores() // 2)
        return max(1, min(wanted, self.users, self.lanes, self.requests or wanted))


def share(total: int, parts: int, part: int) -> int:
    """Return the size of one of *parts* nearly equal parts of *total*."""
    return total * (part + 1) // parts - total * part // parts


def check_writable(path: Path) -> None:
    """See to it that a report can be written before the work for it is done.

    Raises:
        ConfigurationError: it cannot.
    """
    there = path.exists()
    try:
        path.open("ab").close()  # the only test that is right on every file system, and changes nothing
        if not there:
            path.unlink()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from None
