"""What clients do when a token expires under many concurrent requests: refresh calls, failures, time.

    python -m benchmarks.expiry [--requests 10000] [--rounds 3]

measures ours alone; ``benchmarks.side_by_side`` all of them. Goal: one refresh, and no request fails.

Each client runs in a process of its own against one small fake pair (``benchmarks/fake_services.py``), whose access
token has just stopped being good, and fires all requests at once. The fake takes each refresh token once.
"""

import argparse
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.installation import PEERS, NotInstalled, node, node_modules, python_of
from benchmarks.servers import REPOSITORY, cores, reason, server

REQUESTS, MOST_REQUESTS = 1000, 10_000
ROUND_S = 120.0


@dataclass(frozen=True, slots=True)
class Client:
    """One client.

    Attributes:
        command: gives the command of a script which reads its task as an argument and prints ``{"failed", "seconds"}``.
    """

    name: str
    what: str
    command: Callable[[], list[str]]


@dataclass(slots=True)
class Series:
    """What one client did, round by round."""

    name: str
    what: str
    refresh_calls: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    left_out: str | None = None
    """Why it cannot be had on this machine."""
    failure: str | None = None
    """Why it has no figures, or not of all rounds, though it can be had."""


def _node(script: str, *options: str) -> Callable[[], list[str]]:
    return lambda: [node(), str(node_modules() / script), *options]


CLIENTS = (
    Client(
        "dualtoken", "TokenSource and BearerAuth, defaults; aiohttp's 100 connections",
        lambda: [sys.executable, "-m", "benchmarks.expiry_own"],
    ),
    Client(
        "Authlib AsyncOAuth2Client",
        "defaults but for the pool's timeout; httpx's 100 connections; refreshes by the clock, not on 401",
        lambda: [str(python_of("authlib")), str(PEERS / "authlib" / "peer.py")],
    ),
    Client(
        "axios-auth-refresh",
        "as its README shows it, defaults: a 401 that comes during a refresh is handed to its caller (its issue 307);"
        " connections without limit",
        _node("axios_client.mjs"),
    ),
    Client(
        "axios-auth-refresh, deduplicateRefresh: false", "the same, told not to share a refresh: then it does",
        _node("axios_client.mjs", "--deduplicate-refresh=false"),
    ),
    Client(
        "@badgateway/oauth2-client", "OAuth2Fetch as its README shows it; connections without limit",
        _node("badgateway_client.mjs"),
    ),
)  # fmt: skip


def measure(rounds: int, requests: int, clients: Sequence[Client] = CLIENTS) -> list[Series]:
    """Let each client meet an expiry, in turn, round by round."""
    series = {client.name: Series(client.name, client.what) for client in clients}
    with server("-m", "benchmarks.fake_services", core=cores()[0]) as port:
        for round_ in range(-1, rounds):  # the first one warms up
            for client in clients if round_ % 2 else reversed(clients):
                each = series[client.name]
                if each.left_out is None and each.failure is None:
                    try:
                        _meet(each, client, port, requests, counts=round_ >= 0)
                    except NotInstalled as error:
                        each.left_out = str(error)
                    except Exception as error:  # whatever it is, it costs no other client its figures
                        each.failure = reason(error)
    return list(series.values())


def _meet(series: Series, client: Client, port: int, requests: int, *, counts: bool) -> None:
    base = f"http://127.0.0.1:{port}"
    task = _post(f"{base}/reset") | {"base": base, "requests": requests}
    run = subprocess.run(
        [*client.command(), json.dumps(task)], cwd=REPOSITORY, capture_output=True, text=True, timeout=ROUND_S,
        check=True, preexec_fn=lambda: os.sched_setaffinity(0, {cores()[1]}),
    )  # fmt: skip
    told = json.loads(run.stdout.splitlines()[-1])
    if counts:
        series.refresh_calls.append(_post(f"{base}/stop")["refresh_calls"])
        series.failed.append(told["failed"])
        series.seconds.append(told["seconds"])
        print(f"  {client.name:28} {series.refresh_calls[-1]} refresh calls, {told}", file=sys.stderr, flush=True)


def _post(url: str) -> dict[str, object]:
    with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=10) as answer:  # noqa: S310 - loopback
        read: dict[str, object] = json.load(answer)
        return read


def report(series: Series, requests: int) -> bool:
    """Print the most of all rounds; say whether the goal is reached."""
    if not series.seconds or series.failure is not None:
        print(f"{series.name} failed: {series.failure}")
        return False
    calls, failed = max(series.refresh_calls), max(series.failed)
    print(
        f"{requests:,} concurrent requests at expiry: refresh calls at most {calls}, failed requests at most {failed},"
        f" seconds at most {max(series.seconds):.2f}"
    )
    return (calls, failed) == (1, 0)


def main() -> None:
    """Measure our client and report; exit 1 if the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=MOST_REQUESTS)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    [ours] = measure(options.rounds, options.requests, CLIENTS[:1])
    sys.exit(not report(ours, options.requests))


if __name__ == "__main__":
    main()
