"""The blocks of code in the pages, by name: ``PAGE: HEADING``; the second of a heading is ``PAGE: HEADING (2)``."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
_PARTS = re.compile(r"^#+ (?P<heading>[^\n]+)$|^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_EXPECTED = re.compile(r"\s# → (.+)$")
ELLIPSIS = "…"


@dataclass(frozen=True)
class Block:
    """One block.

    Attributes:
        name: where it stands.
        language: as written after the fence.
        text: what stands between the fences.
    """

    name: str
    language: str
    text: str

    @property
    def lines(self) -> list[str]:
        """The commands; one that goes on after a backslash is one line."""
        return self.text.replace("\\\n", "").splitlines()


def blocks(page: str) -> Iterator[Block]:
    """Yield the blocks of a page, named by its path in the checkout."""
    heading, counts = "", Counter[str]()
    for part in _PARTS.finditer((CHECKOUT / page).read_text(encoding="utf-8")):
        if part["heading"]:
            heading = part["heading"]
            continue
        name = f"{page}: {heading}"
        counts[name] += 1
        yield Block(name if counts[name] == 1 else f"{name} ({counts[name]})", part["language"], part["text"])


def block(name: str) -> Block:
    """Return the block of that name."""
    [found] = [each for each in blocks(name.partition(": ")[0]) if each.name == name]
    return found


def expected(line: str) -> str | None:
    """Return the answer that stands beside a command, after ``# →``, or None."""
    found = _EXPECTED.search(line)
    return found and found[1]


def agrees(answer: str, expectation: str) -> bool:
    """Say whether *answer* is what stands in the page, where each ``…`` stands for anything and blanks for nothing."""
    pattern = ".*".join(re.escape("".join(part.split())) for part in expectation.split(ELLIPSIS))
    return re.fullmatch(pattern, "".join(answer.split())) is not None
