"""What a durable rotation costs: ``POST /refresh`` on SQLite, one worker ÷ a bare aiohttp JSON echo.

    python -m benchmarks.refresh_ratio [--rounds 100] [--seconds 0.25] [--connections 64]
    python -m benchmarks.refresh_ratio --sessions 10000 10000000

Refreshes are chained: each presents the token of the last answer, with a fresh Idempotency-Key. The servers are asked
in turn, the first of each round changing; the load comes from one core. The echo runs twice: bare, on asyncio's
event loop, as aiohttp starts by itself; and on uvloop, as the services do, which is harder and is told beside. With
``--sessions A B`` the table is filled to those sizes and the two rates are compared instead. Goals: at least 0.6 of the
bare echo, 0.55 of that on uvloop; with 10 million sessions at least 0.9 of the rate with 10 thousand.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvloop
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.auth_services import auth_service
from benchmarks.http_load import Answer, NextRequest
from benchmarks.in_turn import Server, in_turn
from benchmarks.ratios import paired
from benchmarks.servers import cores, server

ECHO_GOAL, UVLOOP_GOAL, SIZE_GOAL = 0.6, 0.55, 0.9


def post(path: str, body: bytes, *headers: str) -> bytes:
    """Return a request."""
    head = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


def echoed(_number: int) -> NextRequest:
    """Post a body of the size of a refresh."""
    request = post("/echo", json.dumps({"refresh_token": "x" * 61}).encode())

    def next_request(last: Answer | None) -> bytes:
        # The load generator reads the answer's JSON here too, so that both sides do the same work.
        assert last is None or json.loads(last.body)
        return request

    return next_request


def show(rates: Mapping[str, Sequence[float]]) -> None:
    """Print medians with their spread."""
    for name, values in rates.items():
        low, middle, high = min(values), statistics.median(values), max(values)
        print(f"{name:>16} median {middle:8.0f}/s  min {low:8.0f}  max {high:8.0f}")


def ratio(rates: Mapping[str, Sequence[float]], numerator: str, denominator: str, goal: float) -> float:
    """Print and return the ratio of two rates."""
    found = paired(rates[numerator], rates[denominator])
    print(f"{numerator} ÷ {denominator}: {found}; goal {goal}")
    return found.median


def show_batches(name: str, port: int) -> None:
    """Print how many rotations shared a transaction, over all rounds, as the service counted them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        families = text_string_to_metric_families(answer.read().decode())
    batches = {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}
    rotations, transactions = (batches[f"auth_rotation_batch_size_{part}"] for part in ("sum", "count"))
    print(f"{name}: {rotations / transactions:.1f} rotations per transaction")


class Chains:
    """Makes each connection go on with its own chain, over all rounds."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens

    def __call__(self, number: int) -> NextRequest:
        """Return what makes the requests of connection *number*."""

        def next_request(last: Answer | None) -> bytes:
            if last is not None:
                assert last.status == 200, last
                self._tokens[number] = json.loads(last.body)["refresh_token"]
            token = self._tokens[number]
            return post("/refresh", json.dumps({"refresh_token": token}).encode(), self.header(number, token))

        return next_request

    def header(self, _number: int, token: str) -> str:
        """Return what tells that a repetition is the same client's: an Idempotency-Key."""
        # As good as random, and the same again for a request whose answer the last round did not wait for.
        return f"Idempotency-Key: {token[-24:]}"


def main() -> None:
    """Measure and report; exit 1 below the goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=0.25)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--sessions", type=int, nargs=2, metavar=("A", "B"))
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers: dict[str, Server] = {}
        sizes = options.sessions or [0]
        for size in sizes:
            name = f"{size:,} sessions" if size else "refresh"
            service = auth_service(folder / str(size), options.connections, size)
            port, tokens = stack.enter_context(service)
            servers[name] = Server(port, Chains(tokens))
        if not options.sessions:
            for loop in ("asyncio", "uvloop"):
                port = stack.enter_context(server("-m", "benchmarks.json_echo", loop, core=None))
                servers[f"echo on {loop}"] = Server(port, echoed)
        turns = in_turn(servers, rounds=options.rounds, seconds=options.seconds, connections=options.connections)
        rates = {name: [load.per_second for load in loads] for name, loads in uvloop.run(turns).items()}
        show(rates)
        for name in list(servers)[: len(sizes)]:
            show_batches(name, servers[name].port)
    first, second, *others = servers
    if options.sessions:
        sys.exit(ratio(rates, second, first, SIZE_GOAL) < SIZE_GOAL)
    [on_uvloop] = others
    reached = (
        ratio(rates, first, second, ECHO_GOAL) >= ECHO_GOAL,
        ratio(rates, first, on_uvloop, UVLOOP_GOAL) >= UVLOOP_GOAL,
    )
    sys.exit(not all(reached))


if __name__ == "__main__":
    os.sched_setaffinity(0, {cores()[1]})
    main()
