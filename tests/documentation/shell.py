"""Run a block of a page line by line in one shell, as somebody does who copies it."""

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.documentation.blocks import CHECKOUT, Block, agrees, expected

_WITHIN_S = 600


def run(
    block: Block,
    folder: Path,
    *,
    env: Mapping[str, object] | None = None,
    replacing: Mapping[str, str] | None = None,
    stdin: str = "",
    after: Iterable[str] = (),
) -> list[str]:
    """Run a block; each line must succeed, and answer what stands beside it.

    Args:
        block: its commands ``python`` and ``dualtoken`` are those of this environment.
        folder: where the shell stands.
        env: variables beside this process's own.
        replacing: what this run has instead of what the page has: addresses, names.
        stdin: what each line reads, each from the beginning.
        after: lines that follow the block's own in the same shell.

    Returns:
        What each line printed.
    """
    lines = [line for line in (*block.lines, *after) if line.strip()]
    texts = lines.copy()
    for old, new in (replacing or {}).items():
        assert any(old in text for text in texts), f"{block.name} holds no {old!r}"
        texts = [text.replace(old, new) for text in texts]
    answers, log = _answers(texts, folder, env or {}, stdin)
    for line, (status, output) in zip(lines, answers, strict=False):
        assert status == 0, f"{block.name}: {line}: exit status {status}\n{output}\n{log}"
        expectation = expected(line)
        assert expectation is None or agrees(output, expectation), f"{block.name}: {line}\nanswers {output}\n{log}"
    assert len(lines) == len(answers), f"{block.name}: the shell ended early\n{log}"
    return [output for _, output in answers]


def _answers(
    lines: list[str], folder: Path, env: Mapping[str, object], stdin: str
) -> tuple[list[tuple[int, str]], str]:
    """Return exit status and output of each line, and what all of them said on standard error."""
    mark = secrets.token_hex(16)
    with tempfile.NamedTemporaryFile("w", prefix="typed-") as typed:
        typed.write(stdin)
        typed.flush()
        script = "".join(f"{{ {line}\n}} < '{typed.name}'\nprintf '\\n{mark} %d\\n' $?\n" for line in lines)
        done = subprocess.run(
            ["bash", "-c", script], cwd=folder, env=environment(env), text=True, capture_output=True,
            timeout=_WITHIN_S, check=False,
        )  # fmt: skip
    answers, printed = [], ""
    for line in done.stdout.splitlines(keepends=True):
        if line.startswith(mark):
            answers.append((int(line.split()[1]), printed.removesuffix("\n")))
            printed = ""
        else:
            printed += line
    return answers, done.stderr


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """Return this process's environment, its Python first, without the services' variables but for *settings*."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AUTH_", "RESOURCE_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{inherited.get('PATH', '')}"
    ours = {"PATH": path, "PYTHONPATH": str(CHECKOUT)}
    return {**inherited, **{name: str(value) for name, value in settings.items()}, **ours}
