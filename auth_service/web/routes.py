"""The route of a request, as events and metrics name it: with the names of its parts, never with what they hold."""

from aiohttp import web


def route_of(request: web.Request) -> str:
    """Return the route's own path, such as ``/users/{sub}``."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"
