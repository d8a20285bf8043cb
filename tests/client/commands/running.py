"""What a command of the client leaves."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left."""

    code: int
    out: bytes
    err: str


Run = Callable[..., Awaitable[Done]]


def content(path: Path) -> Any:
    """Return what a JSON file holds."""
    return json.loads(path.read_bytes())


def fill(path: Path, data: bytes) -> None:
    """Write a file."""
    path.write_bytes(data)
