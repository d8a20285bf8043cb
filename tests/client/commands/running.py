"""What a command of the client leaves."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left."""

    code: int
    out: bytes
    err: str


Run = Callable[..., Awaitable[Done]]


def fill(path: Path, data: bytes) -> None:
    """Write a file."""
    path.write_bytes(data)
