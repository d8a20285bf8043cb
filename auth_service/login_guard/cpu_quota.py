"""The number of cores that this process may use, which may be fewer than the machine has.

Source: cgroups(7); the kernel's cgroup-v2.rst (``cpu.max``) and sched-bwc.rst (``cpu.cfs_quota_us``).
"""

import math
import os
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def share_of_cores(workers: int) -> int:
    """Return how many cores are each worker's where so many processes work, at least one."""
    return max(1, int(min(_allowed(), granted_cores())) // workers)


def _allowed() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def granted_cores(root: Path = _ROOT, own: Path = _OWN) -> float:
    """Return what the control groups of this process grant, in cores; infinity without a limit.

    Args:
        root: where the control groups are mounted.
        own: the file that names the process's groups, as ``hierarchy:controllers:/path`` each.
    """
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:  # not on Linux
        return math.inf
    groups = [(root / "cpu" if "cpu" in line[1].split(",") else root) / line[2].lstrip("/") for line in lines]
    # A group has what its ancestors leave it. In a container its own path may not be there, but the root is its own.
    limits = (_quota(each) for group in groups for each in (group, *group.parents) if each.is_relative_to(root))
    return min(limits, default=math.inf)


def _quota(group: Path) -> float:
    for files in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            quota, period = " ".join((group / name).read_text() for name in files).split()
        except (OSError, ValueError):
            continue
        if quota.isdecimal():  # else ``max``, or -1
            return int(quota) / int(period)
    return math.inf
