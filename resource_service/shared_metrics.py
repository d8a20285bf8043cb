"""The directory through which the workers of one service add their numbers up.

prometheus_client looks for it when it is first imported, so this module must not import it.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextlib.contextmanager
def shared_directory() -> Iterator[None]:
    """Share numbers while the context lasts."""
    owner, directory = os.getpid(), tempfile.mkdtemp(prefix="resource-metrics-")
    os.environ[VARIABLE] = directory
    try:
        yield
    finally:
        # A worker is a fork: when it ends, it leaves this context too.
        if os.getpid() == owner:
            shutil.rmtree(directory, ignore_errors=True)
