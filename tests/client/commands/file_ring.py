"""A key ring for processes under test: ``PYTHON_KEYRING_BACKEND`` names it, ``FILE_RING`` its file."""

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend


class FileRing(KeyringBackend):
    """Keeps its entries in a file, as readable as can be."""

    priority = 1.0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the library's base is untyped here
        self._file = Path(os.environ["FILE_RING"])

    def _entries(self) -> dict[str, str]:
        entries: dict[str, str] = json.loads(self._file.read_text()) if self._file.exists() else {}
        return entries

    def get_password(self, service: str, username: str) -> str | None:
        return self._entries().get(f"{service}: {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._file.write_text(json.dumps(self._entries() | {f"{service}: {username}": password}))

    def delete_password(self, service: str, username: str) -> None:
        entries = self._entries()
        del entries[f"{service}: {username}"]
        self._file.write_text(json.dumps(entries))
