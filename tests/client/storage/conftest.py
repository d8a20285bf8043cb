"""Where token files stand."""

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the token file, in a folder that does not exist yet."""
    return tmp_path / "new" / "folder" / "tokens.json"
