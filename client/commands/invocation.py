"""The name that this process was started under, and how to start others of the family under the same one."""

import importlib.util
import sys
from pathlib import Path
from typing import Final

from ..errors import ConfigurationError

SCRIPT: Final = "dualtoken"
PACKAGE: Final = __name__.removesuffix(".commands.invocation")
"""``client`` in a checkout, ``dualtoken.client`` once installed."""

IS_SCRIPT: Final = Path(sys.argv[0]).name.removesuffix(".exe") == SCRIPT
COMMAND: Final = SCRIPT if IS_SCRIPT else f"python -m {PACKAGE}"
"""What a message tells people to type."""

_FAMILY: Final = PACKAGE.removesuffix("client")
_CHECKOUT: Final = Path(__file__).resolve().parents[2]


def python_module(module: str) -> list[str]:
    """Return the command that runs *module* (such as ``auth_service``) as this process runs: from the same place.

    Once installed it is looked up among what is installed alone: a folder ``dualtoken/`` or a file ``logging.py``
    where the user stands must not take its place.
    """
    if not _FAMILY:
        return [sys.executable, "-m", module]
    return [sys.executable, "-I" if sys.flags.isolated else "-P", "-m", _FAMILY + module]


def working_folder() -> Path | None:
    """Return where :func:`python_module` must be run: in a checkout its top; once installed, anywhere."""
    return None if _FAMILY else _CHECKOUT


def require_extra(extra: str, *libraries: str) -> None:
    """Check that what an extra brings is installed.

    Args:
        extra: one of them, or several with commas between.
        libraries: as they are imported.

    Raises:
        ConfigurationError: names the extra.
    """
    if any(importlib.util.find_spec(library) is None for library in libraries):
        raise ConfigurationError(needs_extra(extra))


def needs_extra(extra: str) -> str:
    """Say which extra is missing, and how to get it."""
    return f"needs an extra: pip install 'dualtoken[{extra}]'"
