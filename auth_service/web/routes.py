"""The route of a request in events and metrics: with the names of its parameters, never their values."""

from aiohttp import web


def route_of(request: web.Request) -> str:
    """Return the route's own path, such as ``/users/{sub}``."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"
