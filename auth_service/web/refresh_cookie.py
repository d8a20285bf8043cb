"""The refresh token in a cookie, for web pages: no script ever sees it.

The browser attaches a cookie by itself, whoever made it send the request. So a cookie counts only where the browser
says that a page of ours did. CORS is no help: it hides answers from foreign pages, and lets their requests through.

A cookie belongs to a host, whatever the port and the path: so its name says which installation it is of.

Source: RFC 6265bis §4.1.3 (the prefixes ``__Host-`` and ``__Host-Http-``), §8.8 (SameSite); OAuth 2.0 for
Browser-Based Applications §6.1.3.2.
"""

import re
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from ..domain.clock import wall_clock
from ..errors import InvalidRequest, NoToken
from ..use_cases.session_terms import Granted
from .app_keys import SESSIONS, SETTINGS
from .pages import is_own_page
from .token_response import token_response, user_info

_OF_A_LOG_IN = re.compile(r"(?:-[0-9a-f]{12})?")  # what ends a name: milliseconds since the epoch
# Of the releases before 2026-11-29. Their tokens live on, for AUTH_REFRESH_TTL_S at most.
_OLD_NAME = "__Host-refresh"

WantsCookie = bool | Literal["new"]
"""Whether the refresh token of a log-in comes in a cookie alone; ``new``: under a name of its own."""


@dataclass(frozen=True, slots=True)
class RefreshCookie:
    """A refresh token as a browser sent it. ``names``: that of its cookie first, then those of older log-ins."""

    token: str
    names: tuple[str, ...]


def token_in_cookie(request: web.Request) -> RefreshCookie:
    """Return the cookie that counts: that of the latest log-in.

    Raises:
        InvalidRequest: not for this caller, whatever it sent.
        NoToken: a page of ours sent none.
    """
    if not is_own_page(request):
        raise InvalidRequest("The body needs a token; a cookie is accepted only from a page of AUTH_CORS_ORIGINS.")
    names = _names(request)
    if not names:
        raise NoToken
    return RefreshCookie(request.cookies[names[0]], names)


def name_for_login(request: web.Request, *, of_its_own: bool) -> str:
    """Return the name of the cookie that a log-in sets.

    An answer to an older refresh may still be under way, and sets or drops the cookie by which that refresh came. Under
    a name *of its own*, which sorts after all before it, the log-in's cookie stands whichever comes last.
    """
    name = request.app[SETTINGS].refresh_cookie
    latest = max((found[len(name) + 1 :] for found in _names(request) if found.startswith(name)), default="")
    if not latest and not of_its_own:
        return name
    return f"{name}-{max(wall_clock(), int(latest or '0', 16) + 1):012x}"


def name_for_refresh(request: web.Request, cookie: RefreshCookie) -> str:
    """Return the name of the successor's cookie: the same, of today's kind."""
    name = cookie.names[0]
    return name.replace(_OLD_NAME, request.app[SETTINGS].refresh_cookie) if name.startswith(_OLD_NAME) else name


def require_own_page(request: web.Request, wants_cookie: WantsCookie) -> None:
    """Return if this caller may be given a cookie, or wants none.

    A foreign page must not log its visitor in as somebody else: the form that it can submit sets cookies, too.

    Raises:
        InvalidRequest: it is not one of our pages.
    """
    if wants_cookie and not is_own_page(request):
        raise InvalidRequest("cookie: the Origin is not one of AUTH_CORS_ORIGINS.")


def opened_response(granted: Granted, request: web.Request, wants_cookie: WantsCookie) -> web.Response:
    """Return 200 for a session that was opened, with the user, and the refresh token in the body or in a cookie."""
    if not wants_cookie:
        return token_response(granted, userInfo=user_info(granted))
    return cookie_response(granted, request, name_for_login(request, of_its_own=wants_cookie == "new"))


def cookie_response(granted: Granted, request: web.Request, name: str) -> web.Response:
    """Return 200 with the refresh token in the cookie alone, and what a page that was reloaded does not know.

    That is the user, and whether the session is bound to a key.
    """
    response = token_response(granted, with_refresh_token=False, userInfo=user_info(granted), bound=granted.bound)
    forget_cookies(response, tuple(older for older in _names(request) if older != name))
    response.set_cookie(
        name, granted.refresh_token, max_age=granted.refresh_expires_in,
        path="/", secure=True, httponly=True, samesite="Strict",
    )  # fmt: skip
    return response


def forget_cookies(response: web.StreamResponse, names: tuple[str, ...]) -> None:
    """Let the browser drop them."""
    for name in names:
        response.del_cookie(name, path="/", secure=True, httponly=True, samesite="Strict")


def _names(request: web.Request) -> tuple[str, ...]:
    """Return the names of this installation's refresh cookies that came along, the latest log-in's first."""
    name, issued = request.app[SETTINGS].refresh_cookie, request.app[SESSIONS].tokens.has_issued
    ours = _latest_first(request, name)
    # Any installation on this host may have set one of these.
    older = [each for each in _latest_first(request, _OLD_NAME) if issued(request.cookies[each])]
    return (*ours, *older)


def _latest_first(request: web.Request, name: str) -> list[str]:
    found = (each for each, token in request.cookies.items() if token and each.startswith(name))
    return sorted((each for each in found if _OF_A_LOG_IN.fullmatch(each, len(name))), reverse=True)
