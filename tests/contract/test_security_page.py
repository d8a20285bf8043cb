"""docs/security.md claims nothing without naming what proves it, and names nothing that is not there."""

import ast
import re
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "security.md").read_text(encoding="utf-8")
_NAMED = re.compile(r"`([^` ]+\.(?:py|md))(?:::(\w+))?`")
_TEST = re.compile(r"`tests/[^`]+`")
_ROW = re.compile(r"^\| (?!---|who \||section \||clause \|)(.+)\|$", re.MULTILINE)


def rows() -> list[list[str]]:
    """Return the cells of each row of each table."""
    return [[cell.strip() for cell in row.split("|")] for row in _ROW.findall(PAGE)]


def functions(path: Path) -> set[str]:
    """Return the names of the functions of a module, methods included."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_what_is_named_exists() -> None:
    """Each file is there under its whole path, and each test in its file."""
    named = _NAMED.findall(PAGE)
    missing = {file for file, _ in named if not (CHECKOUT / file).is_file()}
    unknown = {
        f"{file}::{test}"
        for file, test in named
        if test and file not in missing and test not in functions(CHECKOUT / file)
    }

    assert named
    assert set() == missing | unknown


def test_each_threat_and_each_met_rule_names_a_test() -> None:
    """What stands in the way of an attack, and what is said to be met, is proven by a test."""
    claims = [row for row in rows() if len(row) == 4 or "met" in row[1]]

    assert len(claims) > 40
    assert [] == [row[0] for row in claims if not _TEST.search(row[-1])]


def test_each_state_has_its_word() -> None:
    """A row is met, open, different or not applicable, and says why where it is not met."""
    states = {state for row in rows() if len(row) != 4 for state in row[1].split(" / ")}

    assert {"met", "open", "differs", "n/a"} == states
