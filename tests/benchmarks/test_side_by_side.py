"""The run side by side: what fails, and how its tables are written."""

import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import expiry, side_by_side
from benchmarks.contenders import Contender, Maker, json_echo, told
from benchmarks.installation import NotInstalled
from benchmarks.refresh_ratio import echoed
from benchmarks.servers import reason
from benchmarks.side_by_side import Series, client_table, measure, results, spread, table, write
from tests.ports import held_ports

SHORT = Namespace(rounds=1, seconds=0.01, connections=2)


def raises(error: Exception) -> Contender:
    """Make a server that cannot be started."""

    def start(_folder: Path, _sessions: int) -> AbstractContextManager[tuple[int, Maker]]:
        raise error

    return Contender(type(error).__name__, "", start)


@contextmanager
def hangs_up(_folder: Path, _sessions: int) -> Iterator[tuple[int, Maker]]:
    """Start nothing that would answer."""
    with held_ports(1) as (port,):
        yield port, echoed


def test_what_fails_costs_no_other_server_its_figures() -> None:
    """A server that cannot be had is left out, one that fails has failed, and the others are measured."""
    absent, broken, deaf, echo = measure(
        [
            raises(NotInstalled("no Node.js")),
            raises(ValueError("no port")),
            Contender("deaf", "", hangs_up),
            Contender("echo", "", json_echo),
        ],
        SHORT,
    )

    assert ("no Node.js", None) == (absent.left_out, absent.failure)
    assert (None, "no port") == (broken.left_out, broken.failure)
    assert (deaf.failure or "").startswith("under load: ")
    assert (None, None, 1) == (echo.left_out, echo.failure, len(echo.per_second))


def test_a_node_server_that_ends_without_a_word_cannot_be_had() -> None:
    """Packages that do not know this Node.js end at once."""
    with pytest.raises(NotInstalled, match=r"peer\.mjs did not start on this Node\.js"):
        told("", "peer.mjs")


def test_a_failure_is_told_in_one_line() -> None:
    """A table has room for what a command said last, and for the name of an error that says nothing."""
    command = subprocess.CalledProcessError(1, ["peer"], stderr="Traceback:\n  …\nKeyError: 'seed'\n")

    assert ["KeyError: 'seed'", "TimeoutError"] == [reason(command), reason(TimeoutError())]


def test_one_part_overwrites_no_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The figures of all parts stay where they are when one is measured by itself."""
    monkeypatch.setattr(side_by_side, "RESULTS", tmp_path)

    write(None, ["all"], {"refresh": [], "read": []})
    write("refresh", ["one"], {"refresh": []})

    assert ["all\n", "one\n"] == [results(only).with_suffix(".md").read_text() for only in (None, "refresh")]


def test_a_part_that_breaks_costs_nothing_of_those_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is measured is written before the next part begins."""

    def breaks(*_: object) -> list[expiry.Series]:
        raise OSError("no memory")

    monkeypatch.setattr(side_by_side, "RESULTS", tmp_path)
    monkeypatch.setattr(side_by_side, "measure", lambda *_: [Series("dualtoken", "", [1.0], [1.0], [1.0])])
    monkeypatch.setattr(side_by_side, "expiry", SimpleNamespace(REQUESTS=1, measure=breaks))
    monkeypatch.setattr(sys, "argv", ["side_by_side"])

    with pytest.raises(OSError, match="no memory"):
        side_by_side.main()

    assert "### Verified requests" in (tmp_path / "side-by-side.md").read_text()


def test_a_median_stands_with_its_least_and_greatest() -> None:
    """Whoever reads a figure sees how far it swung."""
    assert "2,000 (1,000 to 4,000)" == spread([4000.0, 1000.0, 2000.0], ",.0f")


def test_rates_are_compared_round_by_round() -> None:
    """Each row has its rates, ours ÷ its own by time and by processor time, and its latency; ours is not compared."""
    ours = Series("dualtoken", "here", [100.0, 300.0], [100.0, 400.0], [1.0, 3.0])
    theirs = Series("peer", "there", [50.0, 100.0], [50.0, 50.0], [2.0, 2.0])

    first, second = table([ours, theirs], "refreshes")[2:]

    assert "| dualtoken | 200 (100 to 300) |  | 250 (100 to 400) |  | 2.0 (1.0 to 3.0) | here |" == first
    compared = "75 (50 to 100) | 2.50 (2.00 to 3.00) | 50 (50 to 50) | 5.00 (2.00 to 8.00)"
    assert f"| peer | {compared} | 2.0 (2.0 to 2.0) | there |" == second


def test_a_table_tells_what_failed_from_what_cannot_be_had() -> None:
    """A row without figures says why."""
    failed, absent = table([Series("a", "x", failure="reset"), Series("b", "y", left_out="no Node.js")], "requests")[2:]

    assert ["| a | failed: reset | | | | | x |", "| b | left out: no Node.js | | | | | y |"] == [failed, absent]


def test_the_table_of_clients_tells_calls_failures_and_time() -> None:
    """Each client has its refresh calls, failed requests and seconds; one without figures says why."""
    done = expiry.Series("a", "x", [1, 1, 2], [0, 0, 9], [0.25, 0.5, 1.0])
    absent = expiry.Series("b", "y", failure="no answer")

    rows = client_table([done, absent])[2:]

    assert [
        "| a | 1 (1 to 2) | 0 (0 to 9) | 0.50 (0.25 to 1.00) | x |",
        "| b | failed: no answer | | | y |",
    ] == rows
