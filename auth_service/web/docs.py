"""What this service is: its description, for machines and for people."""

from aiohttp import web

from dualtoken_serving.api_docs import ApiDocs

API = ApiDocs(__package__.rpartition(".")[0])
routes = web.RouteTableDef()


@routes.get("/")
async def index(_request: web.Request) -> web.Response:
    """Say what this is."""
    return web.json_response({"service": "dualtoken auth_service", "documentation": "/docs"})


@routes.get("/openapi.json")
async def openapi(_request: web.Request) -> web.Response:
    """Answer the OpenAPI document."""
    return API.openapi_answer()


@routes.get("/docs")
async def docs(_request: web.Request) -> web.Response:
    """Answer it as a page."""
    return API.page_answer()
