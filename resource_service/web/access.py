"""A route's requirements on its callers: declared on the handler, enforced by the bearer middleware."""

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal, TypeVar

from aiohttp import hdrs, web
from aiohttp.abc import AbstractView
from aiohttp.web_urldispatcher import PrefixedSubAppResource

from ..errors import CredentialsMissing, InsufficientScope
from ..verification.claims import Claims
from .challenge import Refusal
from .guard import Guard
from .needs import Needed, checked, is_enough, verdict

CLAIMS = web.RequestKey("CLAIMS", Claims)
"""Who calls. Present on every request that came with a good token to a route that is not public."""

GUARD = web.AppKey("GUARD", Guard)
"""What guards an application: its :class:`Bearer`."""

Exempt = web.AbstractResource | web.AbstractRoute | Callable[[web.Request], bool]
"""What asks for no token: all routes of a resource, one route, or the requests for which a predicate says so."""

Access = Literal["required", "optional", "public"]
_ATTRIBUTE = "__bearer_access__"

_Marked = TypeVar("_Marked", bound=Callable[..., Any])
_Handler = TypeVar("_Handler", bound=Callable[..., Awaitable[web.StreamResponse]])


def optional(handler: _Marked) -> _Marked:
    """Let requests without a token through as well; a bad token is refused all the same.

    Raises:
        TypeError: *handler* is a class, of which the methods are to be marked, or a method of an object.
    """
    return _marked(handler, "optional")


def public(handler: _Marked) -> _Marked:
    """Let every request through, whatever its token. The middleware still says who calls, where the token is good.

    Raises:
        TypeError: *handler* is a class, of which the methods are to be marked, or a method of an object.
    """
    return _marked(handler, "public")


def _marked(handler: _Marked, access: Access) -> _Marked:
    if isinstance(handler, type):
        # Its subclasses would inherit the mark, and let through what nobody meant to.
        raise TypeError(f"{access}: mark the methods of {handler.__name__}, not the class")
    if inspect.ismethod(handler):
        # All objects of its class would have the mark.
        raise TypeError(
            f"{access}: mark {handler.__qualname__} in its class, or name its route: mount(app, public=[…])"
        )
    setattr(handler, _ATTRIBUTE, access)
    return handler


def requires(needed: Needed) -> Callable[[_Handler], _Handler]:
    """Let only some tokens through to a handler: a function, or a method of a ``web.View`` or of any class.

    The check is part of the handler, so a forgotten :class:`Bearer` makes it fail, not pass.

    Args:
        needed: a scope, or what says whether a token's :class:`Claims` are enough:
            ``@requires(lambda claims: claims["tenant"] == "acme")``. They are not where it misses one (``KeyError``).

    Raises:
        ValueError: *needed* is a text and not one scope (RFC 6749 §3.3).
        TypeError: it can be no predicate, or is a coroutine function.
    """
    checked(needed)

    def decorate(handler: _Handler) -> _Handler:
        @functools.wraps(handler)
        async def handle(*args: Any, **kwargs: Any) -> web.StreamResponse:
            _check(_request_among(args), needed)
            return await handler(*args, **kwargs)

        return handle  # type: ignore[return-value]  # of the same signature, which wraps() cannot say for a bound TypeVar

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


def exemption(public: Iterable[object]) -> Callable[[web.Request], bool]:
    """Return what says whether a request is one of *public*.

    Raises:
        TypeError: one of them is nothing that could say so.
    """
    places: set[object] = set()
    predicates: list[Callable[[web.Request], bool]] = []
    for exempt in public:
        if isinstance(exempt, PrefixedSubAppResource):
            raise TypeError(
                "public: a sub-application is exempted by not mounting a Bearer above it, or by a predicate"
            )
        if isinstance(exempt, web.AbstractResource | web.AbstractRoute):
            places.add(exempt)
        elif callable(exempt) and not inspect.iscoroutinefunction(exempt):
            predicates.append(exempt)
        else:
            raise TypeError(f"public: neither a resource, a route nor a predicate: {exempt!r}")

    def is_exempt(request: web.Request) -> bool:
        route = request.match_info.route
        return route in places or route.resource in places or any(verdict(each, request) for each in predicates)

    return is_exempt


def _is_preflight(request: web.Request) -> bool:
    # Browsers never send credentials with one.
    return (
        request.method == hdrs.METH_OPTIONS
        and hdrs.ORIGIN in request.headers
        and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
    )


def _check(request: web.Request, needed: Needed) -> None:
    guard = request.config_dict.get(GUARD)
    if guard is None:
        raise RuntimeError("a route requires a scope, but no Bearer is mounted on its application")
    claims = request.get(CLAIMS)
    if claims is None:
        raise as_exception(guard.refuse(CredentialsMissing()))
    if not is_enough(claims, needed):
        raise as_exception(guard.refuse(InsufficientScope(needed if isinstance(needed, str) else None)))


_EXCEPTIONS = {401: web.HTTPUnauthorized, 403: web.HTTPForbidden, 503: web.HTTPServiceUnavailable}


def as_exception(refusal: Refusal) -> web.HTTPException:
    """Make what aiohttp wants raised of a refusal."""
    return _EXCEPTIONS[refusal.status](headers=refusal.headers, text=refusal.body, content_type="application/json")
