"""The description of this service, for machines and for people."""

from aiohttp import web

from dualtoken_serving.api_docs import ApiDocs

from .bearer import public

API = ApiDocs(__package__.rpartition(".")[0])
routes = web.RouteTableDef()


@routes.get("/openapi.json")
@public
async def openapi(_request: web.Request) -> web.Response:
    """Answer the OpenAPI document."""
    return API.openapi_answer()


@routes.get("/docs")
@public
async def docs(_request: web.Request) -> web.Response:
    """Answer it as a page."""
    return API.page_answer()
