"""Auth services that wait as long as a test holds what they need, however slow the machine is meanwhile."""

import os
from pathlib import Path

from tests.forked import REPOSITORY

_FOLDER = Path(__file__).parent / "patient_store"  # Python runs what it finds there under this name as it starts
PATIENT = {"PYTHONPATH": os.pathsep.join(map(str, (_FOLDER, REPOSITORY)))}
"""Settings beside the usual. By itself a service gives up after some seconds: SQLite's lock, a row that others hold."""
