"""The settings of both services, as their environment makes them."""

from collections.abc import Callable
from typing import Any

from structlog.testing import capture_logs

from dualtoken.auth_service.settings import Settings as AuthSettings
from dualtoken.resource_service.settings import Settings as ResourceSettings
from dualtoken_serving.settings_source import ServiceSettings, load, tell_of_strangers

SECRET = "0123456789abcdef0123456789abcdef"
SERVICES: dict[str, type[ServiceSettings]] = {"AUTH": AuthSettings, "RESOURCE": ResourceSettings}
Named = Callable[[str], str]


def settings_of(prefix: str) -> Any:
    """Return the settings that the environment makes."""
    return load(SERVICES[prefix.rstrip("_")])


def told(prefix: str) -> list[dict[str, Any]]:
    """Return the lines about variables that are no settings."""
    with capture_logs() as lines:
        tell_of_strangers(SERVICES[prefix.rstrip("_")])
    return [dict(line) for line in lines]
