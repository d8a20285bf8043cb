"""The commands of README.md that need no Docker engine, run for real; those of the Chinese one are the same."""

import json
import os
import re
import sys
from pathlib import Path

from tests.documentation.blocks import CHECKOUT, block
from tests.documentation.shell import run

PASSWORD = "correct horse battery staple"
# Set up already: the suite runs in the environment that `make setup` made.
MADE = f"make --directory={CHECKOUT} --old-file=setup --old-file={sys.prefix}/.main VENV={sys.prefix}"


def test_try_it(tmp_path: Path) -> None:
    """``make demo`` holds its claims: bursts of at least 200 requests cost one refresh each, and the thief is caught.

    ``make test`` is what runs this; here it only lists tests.
    """
    demo, test = (
        f"{MADE} {target}" for target in ("demo 2> errors", "test PYTEST_ARGS='--collect-only tests/contract'")
    )
    replacing = {"make demo": demo, "make test": test}
    shown, listed = run(block("README.md: Try it"), tmp_path, env={"COLUMNS": 100}, replacing=replacing)
    rows = re.findall(r"│ (?:foreseen|a surprise) +│ +(\d+) │ +(\d+) │ +(\d+) │ +(\d+) │", shown)

    assert "" == (tmp_path / "errors").read_text()
    assert len(rows) >= 5
    assert {("1", True)} == {(refreshes, int(n) >= 200 and n == answered) for n, answered, _, refreshes in rows}
    assert any(int(refused) > 0 for _, _, refused, _ in rows)
    assert "400 invalid_grant reused" in shown
    assert "Every claim held" in shown
    assert "tests collected" in listed


def test_without_compose(tmp_path: Path) -> None:
    """Keys, a user and both services, from an empty folder: the user logs in and is known by name."""
    for name in ("auth", "resource"):
        os.mkfifo(tmp_path / name)
    answers = run(
        block("README.md: Without Compose"),
        tmp_path,
        env={"AUTH_PORT": 0, "RESOURCE_PORT": 0, "DUALTOKEN_TOKEN_FILE": tmp_path / "tokens.json"},
        replacing={
            "auth_service serve &": "auth_service serve > auth &",
            "resource_service serve": "resource_service serve > resource &",
        },
        stdin=f"{PASSWORD}\n",
        after=[
            "read -r _ _ _ DUALTOKEN_AUTH_URL < auth && export DUALTOKEN_AUTH_URL",
            "read -r _ _ _ API < resource",
            "dualtoken login --user zs",
            "dualtoken get $API/home",
            "kill $(jobs -p); wait",
        ],
    )

    assert "zs" == json.loads(answers[-2])["data"]["username"]
