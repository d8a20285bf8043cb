"""The OpenAPI documents and the routes of both services say the same."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from auth_service.app import create_app as create_auth_app
from auth_service.settings import Settings as AuthSettings
from auth_service.web.docs import description as auth_description
from resource_service.app import create_app as create_resource_app
from resource_service.settings import Settings as ResourceSettings
from resource_service.web.docs import description as resource_description

Call = tuple[str, str]
ORIGINS = ((), ("https://app.example",))
PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DESCRIPTIONS = {"auth": auth_description, "resource": resource_description}


def routed(app: web.Application) -> set[Call]:
    """Return the calls of an application; HEAD and the preflights of CORS go without saying."""
    routes = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource}
    return {route for route in routes if route[0] not in {"HEAD", "OPTIONS"}}


def described(document: dict[str, Any]) -> set[Call]:
    """Return the calls of a document."""
    return {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}


@pytest.mark.parametrize("origins", ORIGINS, ids=["same origin", "cross-origin"])
def test_the_auth_service_describes_its_routes(settings: AuthSettings, origins: tuple[str, ...]) -> None:
    """Every route is documented, and every documented call is routed, whatever CORS allows."""
    app = create_auth_app(settings.model_copy(update={"cors_origins": origins}))

    assert described(auth_description()) == routed(app)


@pytest.mark.parametrize("origins", ORIGINS, ids=["same origin", "cross-origin"])
def test_the_resource_service_describes_its_routes(origins: tuple[str, ...]) -> None:
    """Every route is documented, and every documented call is routed, whatever CORS allows."""
    app = create_resource_app(ResourceSettings(keys="access.jwks.json", cors_origins=origins))

    assert described(resource_description()) == routed(app)


@pytest.mark.parametrize("service", DESCRIPTIONS)
def test_a_document_is_openapi_3_1_of_this_version(service: str) -> None:
    """Readers know which version of the service a document is of."""
    document = DESCRIPTIONS[service]()

    assert ("3.1.0", PROJECT["version"]) == (document["openapi"], document["info"]["version"])


@pytest.mark.parametrize("service", DESCRIPTIONS)
def test_every_error_has_the_one_shape(service: str) -> None:
    """Whatever is 4xx, and every 503 but that of readiness, is described as the one error shape."""
    document = DESCRIPTIONS[service]()
    shapes = {
        (path, status): answer.get("$ref") or answer["content"]["application/json"]["schema"]["$ref"]
        for path, methods in document["paths"].items()
        for operation in methods.values()
        for status, answer in operation["responses"].items()
        if status >= "400" and path != "/health/ready"
    }
    errors = {"#/components/schemas/Error", "#/components/schemas/RefreshError"}
    errors |= {f"#/components/responses/{name}" for name in document["components"]["responses"]}

    assert {} == {where: shape for where, shape in shapes.items() if shape not in errors}
