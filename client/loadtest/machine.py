"""The machine on which figures were measured: without it they mean nothing."""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from .. import __version__


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine.

    Attributes:
        processor: its name, as the system gives it.
        cores: that this process may use.
        memory_gib: of the whole machine; None if the system does not say.
    """

    processor: str
    cores: int
    memory_gib: float | None
    system: str
    python: str
    aiohttp: str
    dualtoken: str

    @classmethod
    def here(cls) -> "Machine":
        """Describe this machine."""
        import aiohttp  # the options need no more of this module than the number of cores

        python = f"{platform.python_implementation()} {platform.python_version()}"
        return cls(
            _processor(), usable_cores(), _memory_gib(), f"{platform.system()} {platform.release()}", python,
            aiohttp.__version__, __version__,
        )  # fmt: skip


def usable_cores() -> int:
    """Return how many cores this process may use: in a container, perhaps few of many."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None
