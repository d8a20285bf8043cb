"""Run the commands of the pages on a stack of the tests."""

import shlex

from tests.compose.scaled import ACCOUNT
from tests.compose.stack import CHECKOUT, Stack
from tests.documentation.blocks import Block
from tests.documentation.shell import run


def run_on(stack: Stack, commands: Block, written: str = "docker compose", **replacing: str) -> list[str]:
    """Run a block on a stack of the tests: where the page has *written*, as in a script, without a terminal."""
    command = shlex.join(stack.command)
    here = {written: command, **replacing}
    for word in ("exec", "run --rm"):
        if f"{written} {word} " in commands.text and f"{written} {word} -T " not in commands.text:
            here[f"{command} {word} "] = f"{command} {word} -T "
    return run(commands, CHECKOUT, env=stack.environment, replacing=here, stdin=f"{ACCOUNT['password']}\n")
