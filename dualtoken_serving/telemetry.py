"""Decides whether spans go to OpenTelemetry: only by its own ``OTEL_*`` variables, with the extra ``otel``.

Source: OpenTelemetry Specification, "Environment Variable Specification".
"""

import importlib.util
import os
from typing import TYPE_CHECKING

from .errors import StartProblem

if TYPE_CHECKING:
    from .spans import Spans

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_EXPORTER = "OTEL_TRACES_EXPORTER"
_NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def _asking_variable() -> str | None:
    """Return the variable that asks for spans; None if none does, or another forbids them."""
    exporter = os.environ.get(_EXPORTER, "").strip()
    if exporter == "none" or os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    return next((name for name in (_EXPORTER, *_ENDPOINTS) if os.environ.get(name, "").strip()), None)


def require_telemetry() -> None:
    """Check that what the environment asks for can be had.

    Raises:
        StartProblem: the extra is not installed, or the variables ask for what it cannot do.
    """
    asking = _asking_variable()
    if asking is None:
        return
    if os.environ.get(_EXPORTER, "").strip() not in {"", "otlp"}:
        raise StartProblem(f"{_EXPORTER}: must be otlp or none")
    for name in _PROTOCOLS:
        if os.environ.get(name, "").strip() not in {"", "http/protobuf"}:
            raise StartProblem(f"{name}: must be http/protobuf")
    if not all(map(_is_installed, _NEEDED)):
        raise StartProblem(f"{asking} asks for OpenTelemetry, which is not installed: pip install 'dualtoken[otel]'")


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it is in
        return False


def spans_of(service: str) -> "Spans | None":
    """Make what sends the spans of *service*, in the process that serves; None where nothing asks for spans."""
    if _asking_variable() is None:
        return None
    from .spans import Spans

    return Spans(service)
