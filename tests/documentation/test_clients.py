"""The lines of the pages for each HTTP library, run as they stand there but for addresses."""

import ast
import asyncio
import inspect
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.auth_fake import PASSWORD
from tests.conformance.pair import Control, running_pair
from tests.documentation.blocks import block

BLOCKS = [
    block("README.md: The client in five lines"),
    block("docs/client.md: The client"),
    block("docs/client.md: httpx, requests and threads"),
    block("docs/client.md: httpx, requests and threads (2)"),
    block("docs/client.md: httpx, requests and threads (3)"),
]


async def typed(text: str, names: dict[str, Any]) -> None:
    """Run what somebody types into a notebook, ``await`` at top level included; what blocks runs in a thread."""
    code = compile(text, "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:
        await eval(code, names)  # noqa: S307 - the page
    else:
        await asyncio.to_thread(exec, code, names)


def at(text: str, pair: Control) -> str:
    """Return *text* with the addresses of the fakes."""
    return text.replace("https://auth.example", pair.auth_url).replace("https://api.example", pair.api_url)


@pytest.mark.parametrize("lines", BLOCKS, ids=lambda lines: lines.name)
async def test_the_lines_of_a_client(
    lines: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They log in, and call the API."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))  # where the token file stands
    async with running_pair() as pair:
        await typed(at(lines.text, pair), {"password": PASSWORD})

        assert {"seen": ["Bearer at-1"]} == await pair.counts("seen")
    assert "{'things': []}\n" == capsys.readouterr().out
