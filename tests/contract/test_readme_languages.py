"""The Chinese README says what the English one says."""

import re
from pathlib import Path

import pytest

from tests.contract.test_settings_table import rows

CHECKOUT = Path(__file__).parents[2]
ENGLISH, CHINESE = "README.md", "README.zh-CN.md"
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_FIRST_CELL = re.compile(r"^\| (`[^|]*) \|", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)]+)\)")


def text(name: str) -> str:
    """Return a README."""
    return (CHECKOUT / name).read_text(encoding="utf-8")


def headings(name: str) -> list[int]:
    """Return the levels of the headings, in order; a comment within a code block is none."""
    return [len(marks) for marks in re.findall(r"^(#+) ", _FENCED.sub("", text(name)), re.MULTILINE)]


def calls(name: str) -> list[str]:
    """Return what stands in backquotes in first cells: settings and calls, whatever the language's comma."""
    return [" ".join(re.findall(r"`[^`]+`", cell)) for cell in _FIRST_CELL.findall(text(name))]


def test_same_settings() -> None:
    """Both tables have the same rows: names, defaults, order."""
    assert rows(text(ENGLISH)) == rows(text(CHINESE)) != []


def test_same_code() -> None:
    """Both have the same blocks of code, to the letter."""
    assert _FENCED.findall(text(ENGLISH)) == _FENCED.findall(text(CHINESE)) != []


def test_same_structure() -> None:
    """Both have the same headings, level by level."""
    assert headings(ENGLISH) == headings(CHINESE) != []


def test_same_calls() -> None:
    """Both tables of calls have the same rows."""
    assert calls(ENGLISH) == calls(CHINESE) != []


def test_same_links() -> None:
    """Both lead to the same places."""
    others = [
        sorted(set(_LINK.findall(text(here))) - {there}) for here, there in ((ENGLISH, CHINESE), (CHINESE, ENGLISH))
    ]

    assert others[0] == others[1] != []


@pytest.mark.parametrize(("here", "there"), [(ENGLISH, CHINESE), (CHINESE, ENGLISH)])
def test_each_leads_to_the_other(here: str, there: str) -> None:
    """The first lines of each README lead to the other language."""
    assert f"]({there})" in "\n".join(text(here).splitlines()[:4])


@pytest.mark.parametrize("name", [ENGLISH, CHINESE])
def test_links_lead_somewhere(name: str) -> None:
    """Every file that a README leads to exists."""
    files = [link.partition("#")[0] for link in _LINK.findall(text(name)) if "://" not in link]

    assert [] == [file for file in files if not (CHECKOUT / file).exists()]
