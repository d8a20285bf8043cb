import re

import aiohttp

from dualtoken.resource_service.app import create_app
from dualtoken.resource_service.settings import Settings
from dualtoken.resource_service.web.docs import API


async def test_the_page_names_every_call(service: aiohttp.ClientSession) -> None:
    """What the OpenAPI document says, a person can read, too."""
    async with service.get("/openapi.json") as answer:
        paths = (await answer.json())["paths"]
    async with service.get("/docs") as answer:
        page = await answer.text()

    assert [] == [path for path in paths if f" {path}<" not in page]


async def test_the_page_asks_no_other_address_for_anything(service: aiohttp.ClientSession) -> None:
    """It works on a machine without a network, and tells nobody that it is read."""
    async with service.get("/docs") as answer:
        assert [] == re.findall(r"(?:src|href)=.?https?:|@import|url\(", await answer.text())
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_every_route_is_described() -> None:
    """The OpenAPI document names exactly the calls that there are."""
    app = create_app(Settings(keys="access.jwks.json"))
    routes = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource}
    described = {(method.upper(), path) for path, methods in API.description["paths"].items() for method in methods}

    assert described == {route for route in routes if route[0] != "HEAD"}


def test_references_lead_somewhere() -> None:
    """Every $ref names a component that exists."""
    text = str(API.description)
    components = API.description["components"]

    assert [] == [
        (kind, name) for kind, name in re.findall(r"#/components/(\w+)/(\w+)", text) if name not in components[kind]
    ]
