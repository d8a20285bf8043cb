"""What npm brings for the tests, installed once where git does not look, and the package as npm would publish it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

HOME = Path(__file__).parent / "npm"
PACKAGE = Path(__file__).parents[2] / "client" / "web"
EXAMPLE = Path(__file__).parents[2] / "examples" / "vue-axios"
_STAMP = HOME / "node_modules" / ".dualtoken"
_WITHIN_S = 600
_OFFLINE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT")


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed; return what it printed."""
    ended = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=_WITHIN_S, check=False)
    assert 0 == ended.returncode, f"{command[0]}:\n{ended.stdout[-3000:]}{ended.stderr[-3000:]}"
    return ended.stdout


def npm(*arguments: str | Path, cwd: Path) -> str:
    """Run npm; no package runs a script of its own."""
    return run("npm", *arguments, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", cwd=cwd)


def installed() -> Path:
    """Return the folder that holds ``node_modules``, as the lock says. Skips where npm is missing, or offline."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no Node.js with npm: install it to try the browser module's npm package")
    wanted = (HOME / "package-lock.json").read_bytes()
    with FileLock(HOME / ".lock"):
        if not _STAMP.exists() or wanted != _STAMP.read_bytes():
            try:
                npm("ci", cwd=HOME)
            except AssertionError as error:
                if any(word in str(error) for word in _OFFLINE):
                    pytest.skip("npm reaches no registry: the packages that the tests need are not installed")
                raise
            _STAMP.write_bytes(wanted)
    return HOME


def tool(name: str) -> Path:
    """Return the path of a program that a package brings."""
    return HOME / "node_modules" / ".bin" / name


def packed(folder: Path) -> Path:
    """Return the tarball that npm would publish, or that is about to be: see ``make release-check``."""
    if given := os.environ.get("DUALTOKEN_DIST"):
        [tarball] = (PACKAGE.parents[1] / given).glob("*.tgz")
        return tarball
    name = npm("pack", PACKAGE, "--pack-destination", folder, cwd=folder).strip().splitlines()[-1]
    return folder / name


def project(folder: Path, tarball: Path) -> Path:
    """Return a clean project with the tarball installed; everything else it finds in the folder above."""
    (folder / "node_modules").symlink_to(HOME / "node_modules")
    home = folder / "project"
    home.mkdir()
    (home / "package.json").write_text('{"private": true, "type": "module"}')
    npm("install", "--offline", "--omit=peer", tarball, cwd=home)
    return home


def example(home: Path) -> Path:
    """Copy the Vue page into a project and build it; return the folder of what is to be served."""
    for name in ("src", "public"):
        shutil.copytree(EXAMPLE / name, home / name)
    for name in ("index.html", "tsconfig.json", "vite.config.ts"):
        shutil.copy(EXAMPLE / name, home / name)
    run(tool("vue-tsc"), "--noEmit", cwd=home)
    run(tool("vite"), "build", "--logLevel", "warn", cwd=home)
    return home / "dist"
