"""The decisions: numbered, dated, with a state, and all in the index."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"
AREAS = sorted(path.name for path in FOLDER.glob("*.md") if path.name != "README.md")
_HEADING = re.compile(r"^## ([A-Z])-(\d{2}) (.+)\n(.*)$", re.MULTILINE)
_STATE = re.compile(r"\d{4}-\d{2}-\d{2} · (accepted|superseded by [A-Z]-\d{2})")


def decisions(area: str) -> list[tuple[str, str, str, str]]:
    """Return letter, number, title and the line below, for each decision of an area."""
    return _HEADING.findall((FOLDER / area).read_text(encoding="utf-8"))


@pytest.mark.parametrize("area", AREAS)
def test_decisions_are_numbered_without_a_gap(area: str) -> None:
    """One letter for an area, and numbers that never change."""
    found = decisions(area)

    assert len({letter for letter, *_ in found}) == 1
    assert [f"{number:02d}" for number in range(1, len(found) + 1)] == [number for _, number, *_ in found]


@pytest.mark.parametrize("area", AREAS)
def test_every_decision_has_a_date_and_a_state(area: str) -> None:
    """The line below the title says when, and whether it still holds."""
    assert [] == [title for _, _, title, state in decisions(area) if not _STATE.fullmatch(state)]


def test_no_decision_hides_from_its_number() -> None:
    """Every heading of an area is a decision."""
    headings = {area: len(re.findall(r"^##+ ", (FOLDER / area).read_text(encoding="utf-8"), re.M)) for area in AREAS}

    assert {area: len(decisions(area)) for area in AREAS} == headings


def test_the_index_lists_each_decision_by_its_area() -> None:
    """In the order of the areas' pages."""
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## \[[^]]+\]\(([a-z-]+\.md)\)\n\n((?:- .+\n)+)", index, re.MULTILINE))

    assert {area: [f"{letter}-{number} {title}" for letter, number, title, _ in decisions(area)] for area in AREAS} == {
        area: [line.removeprefix("- ") for line in lines.splitlines()] for area, lines in sections.items()
    }
