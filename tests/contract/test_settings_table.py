"""README's tables of settings say what the code does."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from dualtoken.auth_service.settings import Settings as AuthSettings
from dualtoken.resource_service.settings import Settings as ResourceSettings

README = Path(__file__).parents[2] / "README.md"
SERVICES: dict[str, type[BaseSettings]] = {"AUTH": AuthSettings, "RESOURCE": ResourceSettings}
NOTHING = {"", "—", "-", "none"}
_ROW = re.compile(r"^\s*\|\s*`((?:AUTH|RESOURCE)_[A-Z0-9_]+)`\s*\|([^|]*)\|", re.MULTILINE)


def rows(text: str) -> list[tuple[str, str]]:
    """Return name and default of every table row whose first cell is one setting's name."""
    return [(name, default.strip().strip("`").strip()) for name, default in _ROW.findall(text)]


def shown(default: Any) -> str:
    """Return a default as an environment variable would say it."""
    value = default.get_secret_value() if isinstance(default, SecretStr) else default
    if value is None:
        return ""
    if isinstance(value, tuple):
        return " ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def fields(service: str) -> dict[str, str]:
    """Return every setting of a service with its default."""
    model = SERVICES[service].model_fields
    return {
        f"{service}_{name.upper()}": shown(field.get_default(call_default_factory=True))
        for name, field in model.items()
    }


def is_a_secrets_file(name: str) -> bool:
    """Whether a name is ``X_FILE`` of a setting X, or the secrets directory: documented, but no field."""
    known = fields("AUTH") | fields("RESOURCE")
    return name.removesuffix("_FILE") in known or name in {"AUTH_SECRETS_DIR", "RESOURCE_SECRETS_DIR"}


def test_rows_are_found_in_markdown() -> None:
    """A row is a name in backquotes and a default, in backquotes or not; other tables and prose are none."""
    text = "\n| `AUTH_PORT` | `8001` | port |\n| a | `AUTH_HOST` |\n`AUTH_X`\n|`RESOURCE_KEYS`|  | a file |\n"

    assert [("AUTH_PORT", "8001"), ("RESOURCE_KEYS", "")] == rows(text)


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_is_in_the_table_once(service: str) -> None:
    """Each field of the settings has exactly one row."""
    counts = Counter(name for name, _ in rows(README.read_text(encoding="utf-8")))

    assert {} == {name: counts[name] for name in fields(service) if counts[name] != 1}


@pytest.mark.parametrize("service", SERVICES)
def test_the_table_knows_the_true_defaults(service: str) -> None:
    """The second cell is the default that the code has."""
    documented = dict(rows(README.read_text(encoding="utf-8")))
    wrong = {
        name: (default, documented[name])
        for name, default in fields(service).items()
        if name in documented and default != ("" if documented[name] in NOTHING else documented[name])
    }

    assert {} == wrong


def test_the_table_names_no_setting_that_is_none() -> None:
    """A row of a setting that the code does not read is a mistake."""
    known = fields("AUTH") | fields("RESOURCE")
    documented = [name for name, _ in rows(README.read_text(encoding="utf-8"))]

    assert [] == [name for name in documented if name not in known and not is_a_secrets_file(name)]
