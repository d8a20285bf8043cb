"""One build and four environments for the whole run, whichever of its processes needs them first."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from tests.packaging.environments import DEADLINE_S, ROOT, Installed, install

PASSWORD = "correct horse battery staple"
USER = "zs"


@dataclass(frozen=True)
class Built:
    """What was built, and from what.

    Attributes:
        tree: a copy of what the checkout holds.
    """

    tree: Path
    sdist: Path
    wheel: Path


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Callable[[str, Callable[[Path], object]], Path]:
    """Return a function that fills a folder once for all processes of this run, and returns it."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def fill(name: str, work: Callable[[Path], object]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with FileLock(shared / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                work(folder)
                done.touch()
        return folder

    return fill


Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def built(once: Once) -> Built:
    """Build the sdist from the tree, and the wheel from the sdist."""

    def build(folder: Path) -> None:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if listed.returncode != 0:
            pytest.skip("no checkout under git: what belongs to the tree is not known")
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, folder / "tree" / name)
        if given := os.environ.get("DUALTOKEN_DIST"):  # what is about to be released, built before
            shutil.copytree(ROOT / given, folder / "dist")
            return
        subprocess.run(
            [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), str(folder / "tree")],
            capture_output=True, check=True, timeout=DEADLINE_S,
        )  # fmt: skip

    folder = once("packaging-build", build)
    [sdist], [wheel] = (list((folder / "dist").glob(f"*{suffix}")) for suffix in (".tar.gz", ".whl"))
    return Built(folder / "tree", sdist, wheel)


def _environment(once: Once, wheel: Path, name: str, *extras: str, beside: tuple[str, ...] = ()) -> Installed:
    folder = once(f"packaging-{name}", lambda folder: install(folder, wheel, *extras, beside=beside))
    return Installed(folder / "venv", folder / "home")


@pytest.fixture(scope="session")
def library(once: Once, built: Built) -> Installed:
    """``pip install dualtoken``."""
    return _environment(once, built.wheel, "library")


@pytest.fixture(scope="session")
def command_line(once: Once, built: Built) -> Installed:
    """``pip install 'dualtoken[cli]'``."""
    return _environment(once, built.wheel, "cli", "cli")


@pytest.fixture(scope="session")
def everything(once: Once, built: Built) -> Installed:
    """Both services, the commands and the load test."""
    return _environment(once, built.wheel, "everything", "auth", "resource", "cli", "loadtest")


@pytest.fixture(scope="session")
def beside_fastapi(once: Once, built: Built) -> Installed:
    """``pip install 'dualtoken[resource]' fastapi uvicorn``."""
    return _environment(once, built.wheel, "fastapi", "resource", beside=("fastapi", "uvicorn"))


@dataclass(frozen=True)
class Services:
    """Both services, installed and running, in a folder of their own."""

    folder: Path
    auth_url: str
    api_url: str


@pytest.fixture(scope="session")
def services(everything: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Set both services up as an operator does, with the commands that pip installed and default paths."""
    folder = tmp_path_factory.mktemp("services")
    for command, line in (
        (["dualtoken-auth", "keys", "init"], ""),
        (["dualtoken-auth", "migrate"], ""),
        (["dualtoken-auth", "users", "add", USER, "--email", "zs@example.org"], f"{PASSWORD}\n"),
    ):
        done = everything.run(*command, line=line, cwd=folder)
        assert 0 == done.returncode, done.stderr
    with (
        everything.serving("dualtoken-auth", "serve", cwd=folder, AUTH_PORT="0") as auth_url,
        everything.serving(
            "dualtoken-resource", "serve", cwd=folder, RESOURCE_PORT="0", RESOURCE_KEYS="var/keys/access.jwks.json"
        ) as api_url,
    ):
        yield Services(folder, auth_url, api_url)
