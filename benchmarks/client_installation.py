"""What ``pip install dualtoken`` brings: the client library and all that it needs, counted as distributions.

    python -m benchmarks.client_installation

Counted from the metadata of what is installed here, for this Python and this system: the requirements without extras,
those of each of them, and so on. ``tests/packaging`` counts what pip really installs. Goal: at most 16.
"""

import sys
from importlib.metadata import requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

GOAL = 16


def needed_by(name: str, extras: frozenset[str] = frozenset()) -> set[tuple[str, frozenset[str]]]:
    """Return what a distribution asks for, with the extras that it asks for."""
    wanted = set()
    for requirement in map(Requirement, requires(name) or ()):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            wanted.add((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return wanted


def brought_by(name: str) -> set[str]:
    """Return the names of all distributions that come with one, itself included."""
    seen: set[tuple[str, frozenset[str]]] = set()
    found = {(name, frozenset[str]())}
    while found:
        seen |= found
        found = set().union(*(needed_by(*each) for each in found)) - seen
    return {each for each, _ in seen}


def report(names: set[str]) -> int:
    """Print how many there are, and which; return the number."""
    print(f"distributions that `pip install dualtoken` installs: {len(names)}; goal {GOAL}")
    print(f"  {', '.join(sorted(names))}")
    return len(names)


if __name__ == "__main__":
    sys.exit(report(brought_by("dualtoken")) > GOAL)
