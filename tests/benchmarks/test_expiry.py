"""The clients at an expiry."""

import sys

import pytest

from benchmarks.expiry import CLIENTS, Client, measure
from benchmarks.installation import NotInstalled


def absent() -> list[str]:
    """Have no command."""
    raise NotInstalled("no Node.js")


@pytest.mark.parametrize("script", ["", "print('no JSON')", "raise SystemExit('no memory')"])
def test_a_client_that_fails_costs_no_other_its_figures(script: str) -> None:
    """It has failed, one that cannot be had is left out, and ours refreshes once for all its requests."""
    broken = Client("broken", "", lambda: [sys.executable, "-c", script])

    ours, failed, left_out = measure(1, 20, (CLIENTS[0], broken, Client("absent", "", absent)))

    assert ([1], [0], None) == (ours.refresh_calls, ours.failed, ours.failure)
    assert failed.failure
    assert ("no Node.js", None) == (left_out.left_out, left_out.failure)
