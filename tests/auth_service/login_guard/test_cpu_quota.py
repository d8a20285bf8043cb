"""How many threads may hash: what the process is granted, divided among its workers."""

import math
import os
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient

from dualtoken.auth_service.app import create_app
from dualtoken.auth_service.login_guard import cpu_quota
from dualtoken.auth_service.login_guard.cpu_quota import granted_cores, share_of_cores
from dualtoken.auth_service.login_guard.hashing import Passwords
from dualtoken.auth_service.settings import Settings
from tests.auth_service.running import FAST_HASHER, AuthServer

CORES = len(os.sched_getaffinity(0))


def groups(folder: Path, own: str, **files: str) -> tuple[Path, Path]:
    """Write control groups: ``a__b`` stands for the file a/b."""
    for name, text in files.items():
        path = folder / "fs" / name.replace("__", "/").replace("_max", ".max").replace("cpu_cfs", "cpu.cfs")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "own").write_text(own)
    return folder / "fs", folder / "own"


@pytest.mark.parametrize(
    ("own", "files", "granted"),
    [
        ("0::/\n", {"cpu_max": "100000 100000\n"}, 1.0),
        ("0::/\n", {"cpu_max": "max 100000\n"}, math.inf),
        ("0::/\n", {}, math.inf),
        ("", {}, math.inf),
        ("0::/a/b\n", {"a__b__cpu_max": "max 100000", "a__cpu_max": "250000 100000"}, 2.5),
        ("0::/a/b\n", {"a__b__cpu_max": "50000 100000", "a__cpu_max": "250000 100000"}, 0.5),
        ("0::/not/there\n", {"cpu_max": "150000 100000\n"}, 1.5),
        ("2:cpu,cpuacct:/a\n", {"cpu__a__cpu_cfs_quota_us": "300000", "cpu__a__cpu_cfs_period_us": "100000\n"}, 3.0),
        ("2:cpu:/d\n0::/\n", {"cpu__cpu_cfs_quota_us": "100000", "cpu__cpu_cfs_period_us": "50000"}, 2.0),
        ("2:cpu:/\n", {"cpu__cpu_cfs_quota_us": "-1\n", "cpu__cpu_cfs_period_us": "100000"}, math.inf),
    ],
)
def test_a_quota_counts_wherever_it_is_set(tmp_path: Path, own: str, files: dict[str, str], granted: float) -> None:
    """Version 1 or 2, the group's own or an ancestor's, in a container or not: the least counts."""
    assert granted == granted_cores(*groups(tmp_path, own, **files))


def test_without_control_groups_nothing_is_limited(tmp_path: Path) -> None:
    """Other systems have none."""
    assert math.inf == granted_cores(tmp_path, tmp_path / "own")


@pytest.mark.parametrize(("granted", "workers", "share"), [(0.5, 1, 1), (1.5, 1, 1), (8.0, 8, 1), (8.0, 3, 2)])
def test_workers_share_what_is_granted(
    monkeypatch: pytest.MonkeyPatch, granted: float, workers: int, share: int
) -> None:
    """Each has a part, rounded down, and never less than one."""
    monkeypatch.setattr(cpu_quota, "_allowed", lambda: 8)
    monkeypatch.setattr(cpu_quota, "granted_cores", lambda: granted)

    assert share == share_of_cores(workers)


@pytest.mark.parametrize(
    ("changes", "threads"), [({}, CORES), ({"workers": 256}, 1), ({"workers": 256, "hashing_threads": 3}, 3)]
)
async def test_all_workers_together_hash_on_as_many_threads_as_there_are_cores(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, changes: dict[str, int], threads: int
) -> None:
    """Each worker's pool is its share, unless a number is set."""
    opened: list[int | None] = []

    def open_pool(*, cores: int | None = None) -> Passwords:
        opened.append(cores)
        return Passwords(FAST_HASHER, cores=1)

    monkeypatch.setattr("dualtoken.auth_service.app.Passwords", open_pool)
    monkeypatch.setattr(cpu_quota, "granted_cores", lambda: math.inf)
    changed = settings.model_copy(update=changes)
    async with TestClient(AuthServer(create_app(changed), changed)):
        pass

    assert [threads] == opened
