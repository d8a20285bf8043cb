"""The OpenAPI documents and the routes of both services say the same."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from dualtoken.auth_service.app import create_app as create_auth_app
from dualtoken.auth_service.settings import Settings as AuthSettings
from dualtoken.auth_service.web import grants as folder
from dualtoken.auth_service.web.docs import API as AUTH_API
from dualtoken.auth_service.web.token import grants
from dualtoken.resource_service.app import create_app as create_resource_app
from dualtoken.resource_service.settings import Settings as ResourceSettings
from dualtoken.resource_service.web.docs import API as RESOURCE_API

Call = tuple[str, str]
ORIGINS = ((), ("https://app.example",))
PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DOCS = {"auth": AUTH_API, "resource": RESOURCE_API}


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

    assert described(AUTH_API.description) == routed(app)


@pytest.mark.parametrize("origins", ORIGINS, ids=["same origin", "cross-origin"])
def test_the_resource_service_describes_its_routes(origins: tuple[str, ...]) -> None:
    """Every route is documented, and every documented call is routed, whatever CORS allows."""
    app = create_resource_app(ResourceSettings(keys="access.jwks.json", cors_origins=origins))

    assert described(RESOURCE_API.description) == routed(app)


def test_each_grant_is_described_and_served(settings: AuthSettings) -> None:
    """A module of ``web/grants`` is in the document, and at the endpoint."""
    served = grants(
        settings.model_copy(update={"trusted_issuers": Path("issuers.json"), "backend_secret": SecretStr("x" * 32)})
    )
    schemas = AUTH_API.description["components"]["schemas"]
    modules = Path(folder.__file__).parent.glob("[a-z]*.py")

    assert len(served) == len(list(modules))
    for name in ("TokenRequest", "TokenRequestForm"):
        assert list(served) == schemas[name]["properties"]["grant_type"]["enum"]


@pytest.mark.parametrize("service", DOCS)
def test_a_document_is_openapi_3_1_of_this_version(service: str) -> None:
    """Readers know which version of the service a document is of."""
    document = DOCS[service].description

    assert ("3.1.0", PROJECT["version"]) == (document["openapi"], document["info"]["version"])


@pytest.mark.parametrize("service", DOCS)
def test_every_error_has_the_one_shape(service: str) -> None:
    """Whatever is 4xx, and every 503 but that of readiness, is described as the one error shape."""
    document = DOCS[service].description
    shapes = {
        (path, status): answer.get("$ref") or answer["content"]["application/json"]["schema"]["$ref"]
        for path, methods in document["paths"].items()
        for operation in methods.values()
        for status, answer in operation["responses"].items()
        if status >= "400" and path != "/health/ready"
    }
    errors = {f"#/components/schemas/{name}" for name in ("Error", "RefreshError", "TokenError")}
    errors |= {f"#/components/responses/{name}" for name in document["components"]["responses"]}

    assert {} == {where: shape for where, shape in shapes.items() if shape not in errors}
