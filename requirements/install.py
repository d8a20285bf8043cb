"""Make an environment and let pip install into it: ``python requirements/install.py VENV PIP-ARGUMENTS…``.

What goes wrong is one line, with the way out; all that pip did stands in ``VENV/install.log``.
"""

import subprocess
import sys
import venv
from pathlib import Path

# How pip's log tells that no index answered.
OFFLINE = ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "ReadTimeoutError", "ProxyError")


def main(folder: Path, arguments: list[str]) -> str | None:
    """Return what went wrong."""
    log = folder / "install.log"
    try:
        if next(folder.rglob("pip/__main__.py"), None) is None:  # none, or one whose making was cut off
            venv.EnvBuilder(with_pip=True, symlinks=sys.platform != "win32").create(folder)
        log.unlink(missing_ok=True)
    except OSError as error:
        return f"cannot write {folder}: {error.strerror}: name another place with VENV=FOLDER"
    except subprocess.CalledProcessError:
        return f"{sys.executable} brings no pip: install its venv package, or name another Python with PYTHON=…"
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "--log", str(log)]
    done = subprocess.run([*pip, "install", *arguments], capture_output=True, text=True, errors="replace", check=False)
    return None if done.returncode == 0 else f"{problem(done.stderr, log)} ({log})"


def problem(said: str, log: Path) -> str:
    """Say what stood in pip's way."""
    tried = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    if any(word in tried for word in OFFLINE):
        way = "connect to a network, or name a folder of wheels: PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER"
        return f"pip reaches no package index: {way}"
    lines = said.splitlines() or ["it ended without a word"]
    error = next((line for line in lines if line.startswith("ERROR: ")), lines[-1])
    return f"pip could not install: {error.removeprefix('ERROR: ')}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
