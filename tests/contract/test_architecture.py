"""The architecture page: each room and each hop exists."""

import ast
import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")
HOPS = re.findall(r"^\| `([\w.]+)` in \[`([\w./]+)`\]\(\.\./([\w./]+)\)", PAGE, re.MULTILINE)
ROOMS = re.findall(r"^\| \[`([\w/]+)`\]\(\.\./\1\)", PAGE, re.MULTILINE)


def definitions(path: Path) -> set[str]:
    """Return the functions of a module, and the methods of its classes as ``Class.method``."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    methods = {
        f"{node.name}.{inner.name}"
        for node in body
        if isinstance(node, ast.ClassDef)
        for inner in node.body
        if isinstance(inner, functions)
    }
    return methods | {node.name for node in body if isinstance(node, functions)}


def test_both_walks_are_told() -> None:
    """A refresh and a logout, from the client to the rule and back."""
    assert 20 <= len(HOPS)


@pytest.mark.parametrize(("name", "shown", "target"), HOPS)
def test_each_hop_is_in_the_room_that_the_page_says(name: str, shown: str, target: str) -> None:
    """The function stands in the file that the link leads to."""
    assert shown == target
    assert name in definitions(CHECKOUT / target)


def test_every_room_is_on_the_page() -> None:
    """A folder of modules that the page does not name is a room that nobody finds."""
    rooms = {
        path.parent.relative_to(CHECKOUT).as_posix()
        for package in ("auth_service", "client", "dualtoken_serving", "resource_service")
        for path in (CHECKOUT / package).rglob("__init__.py")
        if len(path.relative_to(CHECKOUT).parts) > 2 or package == "dualtoken_serving"
    }

    assert rooms <= set(ROOMS)
    assert all((CHECKOUT / room).is_dir() for room in ROOMS)
