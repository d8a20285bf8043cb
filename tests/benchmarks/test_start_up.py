"""What a start is made of."""

from benchmarks import client_installation, start_up

IMPORTS = """\
import time: self [us] | cumulative | imported package
import time:       100 |        100 |     json.decoder
import time:      2000 |       2100 |   json
import time:       500 |       2600 | typer
a warning of somebody
"""


def test_the_time_of_a_package_is_that_of_its_modules() -> None:
    """What a module imports in turn is counted with its own package."""
    assert [("json", 2.1), ("typer", 0.5)] == start_up.shares(IMPORTS)


def test_what_the_client_brings_is_counted_without_extras() -> None:
    """All that its requirements ask for in turn, and nothing of the services."""
    brought = client_installation.brought_by("dualtoken")

    assert {"dualtoken", "aiohttp", "yarl", "multidict"} <= brought
    assert not {"typer", "sqlalchemy", "pyjwt", "keyring"} & brought
