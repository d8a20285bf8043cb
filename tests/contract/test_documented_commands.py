"""No command of the pages stands there unproven: each block of code that can run is run by a test, by its name."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documentation.blocks import Block, blocks, expected

ENGLISH, CHINESE, OPERATIONS = "README.md", "README.zh-CN.md", "docs/operations.md"
PROVIDERS, ANY_LOGIN = "docs/identity-providers.md", "docs/any-login.md"
OWN_LOGIN = "examples/own-login/README.md"
TESTS = Path(__file__).parents[1]
RUN = {"sh", "sql"}
SHOWN = {"json", "mermaid", "python"}  # log lines; pictures; and code, which a test may take, or tests/client covers


def commands(page: str) -> list[Block]:
    """Return the blocks of a page that somebody may copy into a shell or ``psql``."""
    return [block for block in blocks(page) if block.language in RUN]


def names_in_tests() -> Iterator[str]:
    """Yield the names of the blocks that tests take: each ``block("…")``."""
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="block"), args=[ast.Constant(value=str(name))]):
                    yield name


@pytest.mark.parametrize("page", [ENGLISH, OPERATIONS, PROVIDERS, ANY_LOGIN, OWN_LOGIN])
def test_each_block_is_run(page: str) -> None:
    """A block that no test takes by its name fails here, as does a name that the page no longer has."""
    shown = {block.name for block in blocks(page) if block.language in SHOWN}
    taken = {name for name in names_in_tests() if name.startswith(f"{page}: ")} - shown

    assert {block.name for block in commands(page)} == taken != set()


def test_the_chinese_readme_has_the_same_commands() -> None:
    """What is run of the English one is run of both."""
    assert [block.text for block in commands(ENGLISH)] == [block.text for block in commands(CHINESE)] != []


@pytest.mark.parametrize("page", [ENGLISH, CHINESE, OPERATIONS, PROVIDERS, ANY_LOGIN, OWN_LOGIN])
def test_no_block_hides_its_language(page: str) -> None:
    """A fence says what it holds, in one of the words that these tests know."""
    assert set() == {block.language for block in blocks(page)} - RUN - SHOWN


@pytest.mark.parametrize("page", [ENGLISH, OPERATIONS, PROVIDERS])
def test_each_call_shows_its_answer(page: str) -> None:
    """Beside each ``curl`` stands the answer that the tests compare; there are some to compare."""
    calls = [line for block in commands(page) for line in block.lines if "curl " in line]

    assert [] == [line for line in calls if expected(line) is None]
    assert calls or page == ENGLISH
