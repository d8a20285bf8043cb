"""Reports a missing or outdated framework, or a missing extra, in one line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version


@contextmanager
def needed(library: str, least: tuple[int, int], *, by: str) -> Iterator[None]:
    """Import *library* in the body of this context.

    Args:
        library: as pip and ``import`` name it.
        least: the oldest version that will do.
        by: the module that needs it.

    Raises:
        ImportError: it is not there, or too old; the text names the cure.
    """
    problem, cure = f"{by} needs {library} {least[0]}.{least[1]} or newer", f"pip install --upgrade {library}"
    try:
        found = version(library)
    except PackageNotFoundError:
        found = ""  # the import says so, unless it came here without pip
    if found and tuple(int(number) for number in re.findall(r"\d+", found)[:2]) < least:
        raise ImportError(f"{problem}, and {found} is installed: {cure}")
    try:
        yield
    except ImportError as missing:
        raise ImportError(f"{problem}: {cure} ({missing})") from None


@contextmanager
def needing_the_extra(name: str) -> Iterator[None]:
    """Import what the extra of this package brings, in the body of this context.

    Args:
        name: what needs it.

    Raises:
        ImportError: a library is not there; the text names the cure.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        library = missing.name or ""
        if library.startswith(__package__):
            raise
        raise ImportError(f"{name} needs an extra: pip install 'dualtoken[resource]' (no {library})") from None
