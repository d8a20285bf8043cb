"""Run the commands of the pages on a stack of the tests."""

import re
import shlex
from dataclasses import replace

from tests.compose.scaled import ACCOUNT
from tests.compose.stack import CHECKOUT, Stack
from tests.documentation.blocks import Block
from tests.documentation.shell import run


def run_on(stack: Stack, commands: Block, written: str = "docker compose", **replacing: str) -> list[str]:
    """Run a block on a stack of the tests: where the page has *written*, as in a script, without a terminal."""
    command = shlex.join(stack.command)
    text = re.sub(rf"({re.escape(written)} (?:exec|run --rm)) (?!-T )", r"\1 -T ", commands.text)
    here = {written: command, **replacing}
    return run(
        replace(commands, text=text), CHECKOUT, env=stack.environment, replacing=here, stdin=f"{ACCOUNT['password']}\n"
    )
