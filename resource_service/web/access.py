"""What a route asks of its callers: said on the handler, obeyed by the bearer middleware."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar

from aiohttp import hdrs, web
from aiohttp.abc import AbstractView

from resource_service.claims import Claims
from resource_service.errors import CredentialsMissing, InsufficientScope
from resource_service.web.challenge import SCOPE, refusal

CLAIMS = web.RequestKey("CLAIMS", Claims)
"""Who calls. Present on every request that came with a good token to a route that is not public."""

REALM = web.AppKey("REALM", str)
"""The realm of the :class:`Bearer` that is mounted on an application."""

Access = Literal["required", "optional", "public"]
_ATTRIBUTE = "__bearer_access__"

_Marked = TypeVar("_Marked", bound=Callable[..., Any])
_Handler = TypeVar("_Handler", bound=Callable[..., Awaitable[web.StreamResponse]])


def optional(handler: _Marked) -> _Marked:
    """Let requests without a token through as well; a bad token is refused all the same.

    Raises:
        TypeError: *handler* is a class. Mark the methods of a ``web.View``.
    """
    return _marked(handler, "optional")


def public(handler: _Marked) -> _Marked:
    """Let every request through, whatever its token. The middleware still says who calls, where the token is good.

    Raises:
        TypeError: *handler* is a class. Mark the methods of a ``web.View``.
    """
    return _marked(handler, "public")


def _marked(handler: _Marked, access: Access) -> _Marked:
    if isinstance(handler, type):
        # Its subclasses would inherit the mark, and let through what nobody meant to.
        raise TypeError(f"{access}: mark the methods of {handler.__name__}, not the class")
    setattr(handler, _ATTRIBUTE, access)
    return handler


def requires(scope: str) -> Callable[[_Handler], _Handler]:
    """Let only tokens with *scope* through to a handler: a function, or a method of a ``web.View`` or of any class.

    The check is part of the handler, so a forgotten :class:`Bearer` makes it fail, not pass.

    Raises:
        ValueError: *scope* is not one scope (RFC 6749 §3.3).
    """
    if not SCOPE.fullmatch(scope):
        raise ValueError(f"not a scope: {scope!r}")

    def decorate(handler: _Handler) -> _Handler:
        @functools.wraps(handler)
        async def checked(*args: Any, **kwargs: Any) -> web.StreamResponse:
            _check_scope(_request_among(args), scope)
            return await handler(*args, **kwargs)

        return checked  # type: ignore[return-value]  # of the same signature, which wraps() cannot say for a bound TypeVar

    return decorate


def _request_among(args: tuple[object, ...]) -> web.Request:
    """Find the request: a view has it; before a method of any other class comes its object."""
    found = next(arg for arg in args if isinstance(arg, web.Request | AbstractView))
    return found.request if isinstance(found, AbstractView) else found


def is_public(handler: object) -> bool:
    """Whether *handler* was marked as public."""
    return getattr(handler, _ATTRIBUTE, None) == "public"


def access_of(request: web.Request) -> Access:
    """What the route of *request* asks for."""
    handler = request.match_info.handler
    view = getattr(handler, "__wrapped__", handler)  # of a guarded route, whose own handler stands around it
    is_view = isinstance(view, type)
    if is_view:
        handler = getattr(view, request.method.lower(), handler)
    marked: Access | None = getattr(handler, _ATTRIBUTE, None)
    if marked is not None:
        return marked
    if request.match_info.http_exception is not None:
        return "public"
    # A route for any method is no preflight handler: it would serve. That of a view calls a method made for OPTIONS.
    answers_preflights = is_view or request.match_info.route.method == hdrs.METH_OPTIONS
    return "public" if answers_preflights and _is_preflight(request) else "required"


def _is_preflight(request: web.Request) -> bool:
    # Browsers never send credentials with one.
    return (
        request.method == hdrs.METH_OPTIONS
        and hdrs.ORIGIN in request.headers
        and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
    )


def _check_scope(request: web.Request, scope: str) -> None:
    realm = request.config_dict.get(REALM)
    if realm is None:
        raise RuntimeError("a route requires a scope, but no Bearer is mounted on its application")
    claims = request.get(CLAIMS)
    if claims is None:
        raise refusal(CredentialsMissing(), realm)
    if scope not in claims.scopes:
        raise refusal(InsufficientScope(scope), realm)
