"""Log lines that a stranger can cause for nothing."""

from dualtoken_serving.sampling import LogSampler


class Clock:
    """Seconds; move only when told to."""

    now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_one_of_a_kind_passes_in_a_while() -> None:
    """The next that passes tells how many were left out before it; kinds do not count for each other."""
    clock = Clock()
    sampler = LogSampler(1.0, clock)

    assert [0, None, None, 0] == [sampler.admit(kind) for kind in ("a", "a", "a", "b")]
    clock.now += 1
    assert [2, None, 0] == [sampler.admit(kind) for kind in ("a", "a", "b")]


def test_the_memory_of_kinds_is_bounded() -> None:
    """Strangers choose their addresses: of more than 4,096, the one that passed first is forgotten."""
    sampler = LogSampler(1.0, Clock())
    for number in range(4097):
        sampler.admit(number)

    assert [None, 0] == [sampler.admit(number) for number in (4096, 0)]
