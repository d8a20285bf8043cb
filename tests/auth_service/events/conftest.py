import time

import pytest

import dualtoken_serving.sampling


class Stopped:
    """Stands in for the module ``time``."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def monotonic(self) -> float:
        """Return seconds that pass only when told to."""
        return self.now


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Stopped:
    """The time of all samplers."""
    stopped = Stopped()
    monkeypatch.setattr(dualtoken_serving.sampling, "time", stopped)
    return stopped
