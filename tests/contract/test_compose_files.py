"""The scaled stack repeats the settings of the single services, which it cannot extend: nothing is forgotten."""

import re
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).parents[2]
_SETTING = re.compile(r"^ +((?:AUTH|RESOURCE)_[A-Z0-9_]+):", re.MULTILINE)


def settings(name: str) -> set[str]:
    """Return the settings that a Compose file hands to containers."""
    return set(_SETTING.findall((CHECKOUT / name).read_text(encoding="utf-8")))


def test_scaled_stack_passes_on_every_setting() -> None:
    """What an operator may set for the single services reaches the replicas, too."""
    single, scaled = settings("docker-compose.yml"), settings("docker-compose.scale.yml")

    assert set() == single - scaled
    assert "AUTH_ACCESS_TTL_S" in single


@pytest.mark.parametrize("name", ["docker-compose.yml", "docker-compose.scale.yml"])
def test_every_container_rotates_its_log(name: str) -> None:
    """Whatever a flood writes, a container keeps fifty megabytes."""
    services = yaml.safe_load((CHECKOUT / name).read_text(encoding="utf-8"))["services"]
    # What the scaled stack only moves to a profile has it from the other file.
    whole = {service: parts for service, parts in services.items() if parts.keys() != {"profiles"}}
    options = {service: parts["logging"]["options"] for service, parts in whole.items()}

    assert options
    assert [{"max-size": "10m", "max-file": "5"}] * len(options) == list(options.values())
