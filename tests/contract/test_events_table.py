"""docs/operations.md names every event and every metric of both services, and none that does not exist."""

import ast
import re
from pathlib import Path

import pytest

from dualtoken.auth_service.app import create_app as create_auth_app
from dualtoken.auth_service.domain.rotation import Kind
from dualtoken.auth_service.settings import Settings as AuthSettings
from dualtoken.resource_service.app import create_app as create_resource_app
from dualtoken.resource_service.settings import Settings as ResourceSettings
from dualtoken_serving.metrics import METRICS

CHECKOUT = Path(__file__).parents[2]
OPERATIONS = (CHECKOUT / "docs" / "operations.md").read_text(encoding="utf-8")
_LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
_ROW = re.compile(r"^\| (`[a-z_]+(?:\.[a-z_]+)?`(?:, `[a-z_.]+`)*) \|[^|]*\|[^|]*\|$", re.MULTILINE)


def raised(package: str) -> set[str]:
    """Return the names of the events that a package's code raises."""
    calls = (
        node
        for path in (CHECKOUT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _LEVELS
    )
    first = (call.args[0] for call in calls if call.args)
    names = {name.value for name in first if isinstance(name, ast.Constant) and isinstance(name.value, str)}
    return names | ({f"rotation.{kind.value}" for kind in Kind} if package == "auth_service" else set())


def tabled(heading: str) -> list[str]:
    """Return the names in the first cells of the table under a heading."""
    section = OPERATIONS.split(f"\n### {heading}\n", 1)[1].split("\n#", 1)[0]
    return [name for cell in _ROW.findall(section) for name in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize(
    ("package", "heading"),
    [
        ("auth_service", "Events of the auth service"),
        ("resource_service", "Events of the resource service"),
        ("dualtoken_serving", "Events of both services"),
    ],
)
def test_every_event_is_documented_once(package: str, heading: str) -> None:
    """Operators search and alert by these names."""
    assert sorted(raised(package)) == sorted(tabled(heading))


def test_every_metric_is_documented_once(settings: AuthSettings) -> None:
    """What ``/metrics`` of both services shows has a row, and the other way round."""
    apps = create_auth_app(settings), create_resource_app(ResourceSettings(keys="access.jwks.json"))
    metrics = [family.name for app in apps for family in app[METRICS].registry.collect()]

    assert sorted(metrics) == sorted(tabled("Metrics"))
